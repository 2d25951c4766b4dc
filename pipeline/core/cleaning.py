"""What a step of cleaning promises, and which steps clean which texts."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

SEPARATOR = "\0 "
"""Between texts that are looked at together; none of them holds its first character."""


class Cleaner(ABC):
    """Settings of a step that cleans texts (shelf ``cleaners``)."""

    name: ClassVar[str]
    ascii: ClassVar[bool] = True
    """Whether it may change a text of ASCII characters alone; where not, such texts never reach it."""

    @abstractmethod
    def clean(self, text: str) -> str:
        """The text cleaned, in time linear in its length; of any text, and of nothing but the text."""

    def together(self) -> bool:
        """Whether texts joined by ``SEPARATOR`` come out of ``clean`` as each of them does alone, and joined."""
        return False

    def signs(self) -> re.Pattern[str] | None:
        """What a text that it changes has, also where ``SEPARATOR`` stands before and behind it; None: any text."""
        return None


@dataclass(frozen=True)
class Clean:
    """``clean`` of a competition, built.

    steps: of every text column that is an input, in order. columns: of columns by name, in place of ``steps``; a
    target that is text is cleaned only where it is among them.
    """

    steps: tuple[Cleaner, ...] = ()
    columns: Mapping[str, tuple[Cleaner, ...]] = field(default_factory=dict)
