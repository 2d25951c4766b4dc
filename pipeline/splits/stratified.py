"""Folds in which the target is spread alike."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.splits import splits
from pipeline.splits.rows import CountedFolds, folds_of, require_rows
from pipeline.splits.several import NUMBER_BINS, holds_classes, stratify_several

if TYPE_CHECKING:
    import pandas as pd

BINS = 10
"""Of a numeric target, where it is not said."""


@splits.register("stratified")
@settings
class Stratified(CountedFolds):
    """Each fold has the classes in the proportion of the whole: scikit-learn's
    ``StratifiedKFold(folds, shuffle=True, random_state=seed)``.

    A numeric target is first cut into ``bins`` of equally many rows (10, fewer where a bin would
    have fewer rows than there are folds; of several targets each into 5). Classes with fewer rows
    than folds are allowed, with a warning: some folds then validate none of them.
    """

    folds: int = Field(default=5, ge=2)
    seed: int = Field(default=0, ge=0, lt=2**32)
    bins: int | None = Field(default=None, ge=2)

    def assign(self, rows: pd.DataFrame, columns: Any, task_is_class: bool) -> np.ndarray:
        from sklearn.model_selection import StratifiedKFold

        require_rows(self.name, len(rows), self.folds)
        if columns.target is None:
            raise UserError(f"split {self.name}: needs the setting columns.target, got none")
        targets = [rows[name] for name in columns.targets]
        of_classes = task_is_class or (len(targets) > 1 and all(map(holds_classes, targets)))
        if self.bins is not None and of_classes:
            named = ", ".join(f"'{name}'" for name in columns.targets)
            raise UserError(
                f"split {self.name}: bins are of a numeric target, and {named} hold{'s' * (len(targets) == 1)} "
                "classes; leave bins out"
            )
        if len(targets) > 1:
            for values in targets:
                if values.dtype == "str":  # classes
                    self._warn_of_rare_classes(values.dropna().to_numpy(dtype=object), f"{values.name}: ")
            return stratify_several(rows[list(columns.targets)], self.folds, self.seed, self.bins or NUMBER_BINS)
        target = rows[columns.target]
        strata = target.astype(str).to_numpy(dtype=object) if task_is_class else self._bins(target)
        if task_is_class:
            self._warn_of_rare_classes(strata)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # scikit-learn's own about rare classes
            split = StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
            return folds_of(split.split(np.zeros(len(rows)), strata), len(rows))

    def _bins(self, target: pd.Series) -> np.ndarray:
        """Quantile bin of each row, int64 [rows]; equal values in file order."""
        bins = max(1, min(self.bins or BINS, len(target) // self.folds))
        ranks = target.rank(method="first").to_numpy() - 1  # from 0
        return (ranks * bins // len(target)).astype(np.int64)

    def _warn_of_rare_classes(self, strata: np.ndarray, of: str = "") -> None:
        """of: what messages call the target, where there are several."""
        classes, counts = np.unique(strata, return_counts=True)
        rare = [f"{of}'{c}' ({n} rows)" for c, n in zip(classes, counts, strict=True) if n < self.folds]
        if len(rare) == len(classes):
            raise UserError(
                f"split {self.name}: {of}needs a class with at least as many rows as folds, "
                f"the largest has {counts.max()} rows for {self.folds} folds; use fewer folds, or the split shuffled"
            )
        if rare:
            warnings.warn(
                f"split {self.name}: with {self.folds} folds, some folds validate no row of {', '.join(rare[:5])}"
                + (f" and {len(rare) - 5} more classes" if len(rare) > 5 else ""),
                stacklevel=3,
            )
