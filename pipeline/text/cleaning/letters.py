"""Case, digits, and characters that are repeated."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from pydantic import Field

from pipeline.core.cleaning import Cleaner
from pipeline.core.registry import settings
from pipeline.text.cleaning import cleaners

_DIGIT = re.compile(r"\d")
_OTHER_DIGIT = re.compile(r"[^\D0-9]")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@cleaners.register("case")
@settings
class Case(Cleaner):
    """All letters small.

    form: ``lower``, or ``fold``, which also makes alike what differs only in case elsewhere (ß becomes ss).
    """

    form: Literal["lower", "fold"] = "lower"

    def clean(self, text: str) -> str:
        return text.lower() if self.form == "lower" else text.casefold()

    def together(self) -> bool:
        return True


@cleaners.register("digits")
@settings
class Digits(Cleaner):
    """Numbers made alike.

    to: ``zero``: every digit becomes 0, so that only a number's form is left; ``ascii``: digits of all scripts become
    0 to 9; ``mark``: every number becomes ``mark``.
    """

    to: Literal["zero", "ascii", "mark"] = "zero"
    mark: str = "<number>"

    def clean(self, text: str) -> str:
        if self.to == "zero":
            return _DIGIT.sub("0", text)
        if self.to == "ascii":
            return _OTHER_DIGIT.sub(lambda found: str(unicodedata.decimal(found.group())), text)
        return _NUMBER.sub(lambda found: self.mark, text)

    def together(self) -> bool:
        return True


@cleaners.register("repeats")
@settings
class Repeats(Cleaner):
    """A letter or mark that is repeated more than ``most`` times stands ``most`` times: 'soooooo' becomes 'sooo'.
    Digits stay, and so does white space."""

    most: int = Field(default=3, ge=1)

    def clean(self, text: str) -> str:
        return re.sub(rf"([^\s\d])\1{{{self.most},}}", lambda found: found[1] * self.most, text)

    def together(self) -> bool:
        return True
