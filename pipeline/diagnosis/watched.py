"""What findings of gradients and activations have in common: a case a network, told by layer and step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.gradients import LOOKS, Case, cases

WARM_UP = "fit.schedule: {name: cosine, warm_up: 0.1}"


class Watched(Finding):
    """Told by the traces of a network's folds."""

    fault: ClassVar[str]
    """Of ``gradients.LOOKS``."""

    @abstractmethod
    def told(self, name: str, case: Case) -> str:
        """A network's case, in a sentence without its full stop."""

    def advice(self, evidence: Evidence, found: Mapping[str, Case]) -> str:
        """What to do of these networks."""
        return self.next

    def look(self, evidence: Evidence) -> Found | None:
        found = cases(evidence, *LOOKS[self.fault])
        if not found:
            return None
        return Found(
            measured=". ".join(self.told(name, case) for name, case in found.items()) + ".",
            next=self.advice(evidence, found),
            numbers={name: case.number for name, case in found.items()},
            about=tuple(found),
        )


def advised(parts: list[str]) -> str:
    """Pieces of advice as a sentence."""
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."
