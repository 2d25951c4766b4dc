"""One fold, whose rows nothing trains on before the last fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.core.types import Split
from pipeline.splits import splits
from pipeline.splits.grouped import Grouped
from pipeline.splits.rows import alike_by, dealt, required_column
from pipeline.splits.shuffled import Shuffled

if TYPE_CHECKING:
    import pandas as pd

PART = 0.1
INNER = 5
"""Folds in which what looks at the target is cross-fitted on the training rows."""


@splits.register("holdout")
@settings
class Holdout(Split):
    """Some rows validate every model, and all others train: for fits that are too long for several folds.

    One fold chose whatever is chosen by its score: models, settings and weights look a little better than they are.

    rows: random ones, of each class its part and of groups (``columns.group``) whole ones; the last ones of the file,
        or by ``columns.time`` where it is named; or those of the source's ``valid`` file.
    part: share of the rows, random or last.
    alike: a column, which stays a feature: random rows of the same value in it stay on one side.
    refit: whether the last fits take these rows too; false: the models that were validated answer, as published results
        have it on texts that come with a validation file, and nothing is fitted twice.
    """

    folds: ClassVar[int] = 1  # type: ignore[misc]

    rows: Literal["random", "last", "valid"] = "random"
    part: float = Field(default=PART, gt=0, lt=1)
    seed: int = Field(default=0, ge=0, lt=2**32)
    refit: bool = True
    alike: str | None = None

    def __post_init__(self) -> None:
        if self.alike is not None and self.rows != "random":
            raise ValueError(f"alike is of random rows, and rows is {self.rows}; leave one of the two out")
        if self.seed and self.rows != "random":
            raise ValueError(f"seed is of random rows, and rows is {self.rows}; leave one of the two out")
        if self.rows == "valid" and self.part != PART:
            raise ValueError("part is of rows of the training file, and rows is valid; leave one of the two out")

    @property
    def may_use(self) -> frozenset[str]:
        """Groups stay whole in what is cross-fitted too, whichever rows are held out."""
        return frozenset({"group", "time"} if self.rows == "last" else {"group"})

    @property
    def from_file(self) -> bool:
        return self.rows == "valid"

    def assign(self, rows: pd.DataFrame, columns: Any, task_is_class: bool) -> np.ndarray:
        """Where a file has them: none of these rows."""
        if self.rows == "valid":
            return np.full(len(rows), -1, dtype=np.int64)
        if len(rows) < 2:
            raise UserError(
                f"split {self.name}: needs two rows at least, one to train on and one to validate, got {len(rows)}; "
                "add rows, or a file of those that validate (rows: valid)"
            )
        chosen = self._last(rows, columns) if self.rows == "last" else self._random(rows, columns, task_is_class)
        if not chosen.any() or chosen.all():
            raise UserError(
                f"split {self.name}: needs rows to validate and rows to train, got {int(chosen.sum())} of {len(rows)} "
                f"held out by part {self.part:g}; change part"
            )
        return np.where(chosen, 0, -1).astype(np.int64)  # [rows]

    def assign_within(self, rows: pd.DataFrame, columns: Any, task_is_class: bool) -> np.ndarray:
        if columns.group is not None and columns.group in rows:
            return Grouped(folds=INNER).assign_within(rows, columns, task_is_class)
        if self.alike is not None and self.alike in rows:
            return Shuffled(folds=INNER, alike=self.alike).assign_within(rows, columns, task_is_class)
        return dealt(len(rows), min(INNER, max(len(rows), 1)))

    def _last(self, rows: pd.DataFrame, columns: Any) -> np.ndarray:
        """Whether a row is among the last, bool [rows]; rows of one time stay together."""
        count = round(len(rows) * self.part)
        if columns.time is None:
            return np.arange(len(rows)) >= len(rows) - count
        from pipeline.splits.time_ordered import times_of

        times = times_of(self.name, required_column(self.name, "time", rows, columns))
        return np.asarray(times >= np.sort(times)[len(times) - max(count, 1)])

    def _random(self, rows: pd.DataFrame, columns: Any, task_is_class: bool) -> np.ndarray:
        """Whether a row is drawn, bool [rows]."""
        order = np.random.RandomState(self.seed).permutation(len(rows))
        if columns.group is not None or self.alike is not None:
            if self.alike is not None and columns.group is not None:
                raise UserError(
                    f"split {self.name}: alike ('{self.alike}') and columns.group ('{columns.group}') both say which "
                    "rows stay together; leave one of the two out"
                )
            if self.alike is not None:
                group = alike_by(self.name, self.alike, rows)
            else:
                group = required_column(self.name, "group", rows, columns).astype(str).to_numpy()
            groups, sizes = np.unique(group, return_inverse=True, return_counts=True)[1:]
            drawn = np.random.RandomState(self.seed).permutation(len(sizes))
            before = np.cumsum(sizes[drawn]) - sizes[drawn]  # rows of the groups drawn before each
            return np.isin(groups, drawn[before < len(rows) * self.part])
        if task_is_class and len(columns.targets) == 1:
            labels = rows[columns.target].astype(str).to_numpy(dtype=object)[order]
            order = order[np.argsort(labels, kind="stable")]  # class by class, at random within
        # Along this order the share that is drawn stays as near to the part as can be, so in every class too.
        places = np.arange(len(rows) + 1)
        drawn = np.diff(np.floor(places * self.part + 0.5)) > 0  # [rows]
        chosen = np.zeros(len(rows), dtype=bool)
        chosen[order[drawn]] = True
        return chosen
