"""What a step of cleaning promises, and which steps clean which texts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar


class Cleaner(ABC):
    """Settings of a step that cleans texts (shelf ``cleaners``)."""

    name: ClassVar[str]
    ascii: ClassVar[bool] = True
    """Whether it may change a text of ASCII characters alone; where not, such texts never reach it."""

    @abstractmethod
    def clean(self, text: str) -> str:
        """The text cleaned, in time linear in its length; of any text, and of nothing but the text."""


@dataclass(frozen=True)
class Clean:
    """``clean`` of a competition, built.

    steps: of every text column that is an input, in order. columns: of columns by name, in place of ``steps``; a
    target that is text is cleaned only where it is among them.
    """

    steps: tuple[Cleaner, ...] = ()
    columns: Mapping[str, tuple[Cleaner, ...]] = field(default_factory=dict)
