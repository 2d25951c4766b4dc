"""What JupyterLab says, in English and French (package jupyterlab-language-pack-fr-FR)."""

from __future__ import annotations

import json

from pipeline.core.registry import settings
from pipeline.sources.competition import CompetitionTables, compete, hash_order, package_file
from pipeline.sources.datasets import datasets

DISTRIBUTION = "jupyterlab-language-pack-fr-FR"
CATALOGUES = ("locale", "fr_FR", "LC_MESSAGES")
CONTEXT = "\x04"
"""Stands between a message's context and the message (GNU gettext)."""
TEST_SHARE = 0.2


@datasets.register("french_interface")
@settings
class FrenchInterface:
    def build(self) -> CompetitionTables:
        """Columns en and the target ``fr``; each English text stands once."""
        import pandas as pd

        pairs: dict[str, str] = {}
        folder = package_file("jupyterlab_language_pack_fr_FR", DISTRIBUTION, *CATALOGUES)
        for catalogue in sorted(folder.glob("*.json")):
            for message, translations in json.loads(catalogue.read_text(encoding="utf-8")).items():
                # Under the empty message lies the catalogue's own header.
                english = " ".join(message.rpartition(CONTEXT)[2].split())
                french = " ".join(translations[0].split()) if message and translations else ""
                if english and french:
                    pairs.setdefault(english, french)
        texts = sorted(pairs)
        rows = pd.DataFrame([(texts[i], pairs[texts[i]]) for i in hash_order(texts, "french_interface")])
        rows.columns = ["en", "fr"]
        cut = len(rows) - round(len(rows) * TEST_SHARE)
        return compete(rows[:cut], rows[cut:], target="fr", guess="Ouvrir")
