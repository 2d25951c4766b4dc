"""What cleaning changed, as the report shows it: characters that nobody sees by their code points."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.shares import percent

UNSEEN = ("Cc", "Cf", "Zs", "Zl", "Zp", "Cn", "Cs")
"""Unicode's categories of controls, formats, odd spaces, separators and characters that are none."""
MARKS = ("Mn", "Me")


def cleaning_table(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """``cleaning``: rows of the steps that changed something; ``untouched``: column to the steps that had nothing to
    change.

    lines: {"column", "step", "texts", "changed", "examples": [[before, after], ...]}.
    """
    untouched: dict[str, list[str]] = {}
    for line in lines:
        if not line["changed"]:
            untouched.setdefault(line["column"], []).append(line["step"])
    rows = [
        {
            "column": line["column"],
            "step": line["step"],
            "changed": f"{line['changed']:,}",
            "share": share(line["changed"], line["texts"]),
            "examples": [shown(before, after) for before, after in line["examples"]],
        }
        for line in lines
        if line["changed"]
    ]
    return {"cleaning": rows, "untouched": {column: ", ".join(steps) for column, steps in untouched.items()}}


def share(part: int, whole: int) -> str:
    return percent(part / whole)


def shown(before: str, after: str) -> tuple[str, str]:
    """Both with what is not seen by name; accents that stand alone too, where the two look the same without."""
    alike = unicodedata.normalize("NFC", before) == unicodedata.normalize("NFC", after)
    hidden = (*UNSEEN, *MARKS) if alike else UNSEEN
    return _visible(before, hidden), _visible(after, hidden)


def _visible(text: str, hidden: Sequence[str]) -> str:
    return "".join(
        character if character == " " or unicodedata.category(character) not in hidden else f"⟨U+{ord(character):04X}⟩"
        for character in text
    )
