"""In which of six languages an emoji's name is written (Unicode CLDR names, in package emoji)."""

from __future__ import annotations

import json
from typing import Any

from pipeline.core.registry import settings
from pipeline.sources.competition import CompetitionTables, compete, hash_order, package_file
from pipeline.sources.datasets import datasets

LANGUAGES = ("de", "en", "es", "fr", "it", "pt")
FULLY_QUALIFIED = 2
SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
TEST_SHARE = 0.25


@datasets.register("emoji_languages")
@settings
class EmojiLanguages:
    def build(self) -> CompetitionTables:
        """Columns text, emoji (the group: no emoji is in both train and test) and the target ``language``.

        Skin tones are left out (each is its plain emoji's name and a colour), and so are names that
        are written alike in several languages.
        """
        import pandas as pd

        names = {language: self._names(language) for language in LANGUAGES}
        emojis = [emoji for emoji, name in names["en"].items() if name and not SKIN_TONES & set(emoji)]
        written: dict[str, set[str]] = {}
        for emoji in emojis:
            for language in LANGUAGES:
                written.setdefault(names[language].get(emoji, ""), set()).add(language)
        order = [emojis[i] for i in hash_order(emojis, "emoji_languages")]
        cut = len(order) - round(len(order) * TEST_SHARE)
        parts = []
        for part in (order[:cut], order[cut:]):
            rows = [
                {"text": text, "emoji": emoji, "language": language}
                for emoji in part
                for language in LANGUAGES
                if (text := names[language].get(emoji, "")) and len(written[text]) == 1
            ]
            shuffled = hash_order([f"{row['emoji']}{row['language']}" for row in rows], "emoji_languages rows")
            parts.append(pd.DataFrame([rows[i] for i in shuffled]))
        return compete(*parts, target="language", guess="en")

    def _names(self, language: str) -> dict[str, str]:
        """Emoji to its name in plain words."""
        suffix = "" if language == "en" else f"_{language}"
        path = package_file("emoji", "emoji", "unicode_codes", f"emoji{suffix}.json")
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if language == "en":
            stored = {emoji: entry["en"] for emoji, entry in stored.items() if entry["status"] == FULLY_QUALIFIED}
        return {emoji: name.strip(":").replace("_", " ") for emoji, name in stored.items()}
