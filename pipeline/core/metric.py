"""What metrics promise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    import pandas as pd


class Metric(ABC):
    """Shelf ``metrics``."""

    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]
    higher_is_better: ClassVar[bool]
    decision: ClassVar[Literal["thresholds", "cut_points"] | None] = None
    """Which rule from probabilities to classes suits it; None: it takes predictions as they are."""
    rewards_calibration: ClassVar[bool] = False
    """Whether it looks at probabilities by their value, not by their order or the largest alone."""
    needs_probabilities: ClassVar[bool] = False
    """Whether a submission of bare classes is too little to score."""
    of_several_values: ClassVar[bool] = False
    """Whether rows whose target is one value alone have no score."""
    reads_text: ClassVar[bool] = False
    """Whether target and prediction are texts."""
    counts: ClassVar[str | None] = None
    """What the target must count, of a metric that divides by that alone."""
    asks_model: ClassVar[frozenset[str]] = frozenset()
    """Tasks in which it asks a model how probable the target is: answers alone, such as a submission's, have no
    score."""

    @property
    def label(self) -> str:
        """What tables and pages call it."""
        return self.name

    @property
    def perfect(self) -> float | None:
        """What answers without a fault score, None where that is not known."""
        return 1.0 if self.higher_is_better else 0.0

    @property
    def worst(self) -> float | None:
        """What no answers score worse than, None where there is no such bound."""
        return 0.0 if self.higher_is_better else None

    def signature(self) -> str | None:
        """How exactly it counts, as the library says whose numbers it gives."""
        return None

    def interval(self, target: Any, predictions: pd.DataFrame) -> tuple[float, float] | None:
        """What 95 % of scores would lie in if the rows were drawn anew; None where that is not known."""
        return None

    @property
    def each(self) -> Metric:
        """Of several targets: what scores one of them."""
        return self

    def over(self, one: Metric) -> Metric:
        """Another metric, without settings, over the same targets."""
        return one

    def of_target(self, name: str) -> Metric | None:
        """Of several targets: what this one adds to the score, where it is a sum over them."""
        return None

    def target_faults(self, targets: Sequence[str]) -> list[str]:
        """What its settings say of several targets that these are not: each the key and why."""
        return []

    @abstractmethod
    def score(self, target: Any, predictions: pd.DataFrame) -> float:
        """target: Series [rows], or DataFrame [rows, targets] of several."""
