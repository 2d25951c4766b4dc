"""What findings of folds that ask less than the test have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from pipeline.core.shares import percent
from pipeline.diagnosis.base import Finding, Found, Severity
from pipeline.diagnosis.evidence import Evidence


class EasierFolds(Finding):
    """Told of columns, by what rows beside a validated one tell of it, and by what those beside a test row do."""

    severity: ClassVar[Severity] = "serious"
    told: ClassVar[str]
    """A sentence with the shares ``folds`` and ``test``."""

    @abstractmethod
    def columns(self, evidence: Evidence) -> dict[str, dict[str, Any]]:
        """Columns in which folds are easier, with their numbers; ``folds`` and ``test`` among them."""

    def _told(self, one: Mapping[str, Any]) -> str:
        return self.told.format(**{key: percent(one[key], 0) for key in ("folds", "test")})

    def look(self, evidence: Evidence) -> Found | None:
        known = self.columns(evidence)
        if not known:
            return None
        return Found(
            measured="; ".join(f"{name}: {self._told(one)}" for name, one in known.items()) + ".",
            next=self.next.replace("NAME", next(iter(known))),
            numbers=known,
            about=tuple(known),
        )
