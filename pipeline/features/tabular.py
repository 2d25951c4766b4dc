"""Tables: number, category and text columns to one matrix, or to numbers and category codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import FeatureSet, Schema
from pipeline.features import features
from pipeline.features.bins import Bins
from pipeline.features.categories import Categories
from pipeline.features.category_columns import ManyLevels, ways_used
from pipeline.features.combine import Combination, check_combinations
from pipeline.features.groups import Group, check_groups
from pipeline.features.numbers import Missing, Scale, Transform
from pipeline.features.text_components import Texts

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.features.tabular_encoder import TabularEncoder


@features.register("tabular")
@settings
class Tabular(FeatureSet):
    """Numbers standardised and filled, categories to indicators: the book's way (D2L 5.7).

    Gives ``numbers`` float [rows, columns]; where a category column may be ``native`` also
    ``categories`` int64 [rows, columns], 0 for missing and unseen levels, 1 and on for the levels.

    scale: ``standard`` (mean 0, deviation 1), ``robust`` (median 0, interquartile range 1), or
        ``robust_clipped`` (the same, then smoothly clipped to between -3 and 3, as RealMLP has it);
        of the values present. Ordinal, count and target columns are scaled too, indicators not.
    transform: before scaling, ``yeo_johnson`` or ``quantile`` (to a normal distribution);
        ``middle_quantile`` also where many values are the least or the greatest, for networks.
    skew_above: transform only columns whose skewness is beyond this, either way.
    missing: what fills a missing number: mean, median or most frequent of its (transformed)
        column, ``zero`` in its own units, or ``keep`` it NaN, which trees, realmlp and tabm read.
    missing_flags: a 0/1 column for each number column with missing values in fitting.
    categories: ``one_hot`` (missing is a level of its own where seen in fitting, an unseen
        level is all zeros), ``ordinal`` (rank of the level, -1 for missing and unseen),
        ``native`` (codes, for trees), ``target`` (mean target, training rows cross-fitted by the
        competition's split), ``count`` (rows in fitting with that level), ``none`` (leave them out).
    many: another way, or several, for category columns with many levels.
    rare: levels seen fewer times than this in fitting are folded into one.
    combine: new number columns from sums, differences and ratios of others.
    chosen: so many more of them, of two columns each, picked by what they tell of the target beyond
        the two. Linear models may gain from a few; trees find them themselves.
    groups: new number columns from statistics within groups of rows.
    texts: new number columns from texts. bins: number columns cut at their quantiles, beside them.
    statistics: rows the encoder is fitted on: the fold's training rows, or, as the book does,
        all rows of the train and test files.
    precision: ``single`` (float32), or ``double`` (float64) for solvers that want every digit.
    """

    scale: Scale = "standard"
    transform: Transform = "none"
    skew_above: float | None = Field(default=None, ge=0)
    missing: Missing = "mean"
    missing_flags: bool = False
    categories: Categories = "one_hot"
    many: ManyLevels | None = None
    rare: int = Field(default=0, ge=0)
    combine: Mapping[str, Combination] = Field(default_factory=dict)
    chosen: int = Field(default=0, ge=0)
    groups: Mapping[str, Group] = Field(default_factory=dict)
    texts: Texts | None = None
    bins: Bins | None = None
    statistics: Literal["training", "train_and_test"] = "training"
    precision: Literal["single", "double"] = "single"

    def __post_init__(self) -> None:
        if "target" in ways_used(self.categories, self.many) and self.statistics != "training":
            raise ValueError("categories: target reads the target, which test rows lack; use statistics: training")
        if self.chosen and self.statistics != "training":
            raise ValueError("chosen reads the target, which test rows lack; use statistics: training")
        if self.skew_above is not None and self.transform == "none":
            raise ValueError("skew_above needs a transform to correct skew with; use transform: yeo_johnson")

    @property
    def reads_target(self) -> bool:
        """Whether what is fitted hangs on the target column."""
        return bool(self.chosen) or "target" in ways_used(self.categories, self.many)

    def finds(self, schema: Schema) -> bool:
        """Whether there is any column that it reads."""
        categories = ways_used(self.categories, self.many) != {"none"} and schema.names("category")
        texts = self.texts is not None and (self.texts.columns or schema.names("text"))
        return bool(schema.names("number") or categories or texts)

    @property
    def gives(self) -> frozenset[str]:
        native = "native" in ways_used(self.categories, self.many)
        return frozenset({"numbers", "categories"} if native else {"numbers"})

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> TabularEncoder:
        """Fit on typed rows. Only ``chosen`` and the way ``target`` of categories read the target column.

        Raises UserError where there is no column to encode, or a made column names none.
        """
        from pipeline.features.tabular_encoder import fit

        check_combinations(self.combine, schema)
        check_groups(self.groups, schema, [*schema.names("number", "category", "text"), *self.combine])
        return fit(self, rows, schema, seed)

    def restore(self, state: Mapping[str, Any], schema: Schema) -> TabularEncoder:
        from pipeline.features.tabular_encoder import TabularEncoder

        return TabularEncoder(self, schema, state)


@features.register("categorical")
@settings
class Categorical(FeatureSet):
    """For trees: raw numbers with NaN kept (``numbers``) and category codes (``categories``).

    many, rare, combine, groups, texts, statistics: as in ``tabular``.
    """

    many: ManyLevels | None = None
    rare: int = Field(default=0, ge=0)
    combine: Mapping[str, Combination] = Field(default_factory=dict)
    groups: Mapping[str, Group] = Field(default_factory=dict)
    texts: Texts | None = None
    statistics: Literal["training", "train_and_test"] = "training"

    def __post_init__(self) -> None:
        self._tabular()  # refuses what cannot be

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"numbers", "categories"})

    def _tabular(self) -> Tabular:
        # Trees split between values that float32 would make one (large amounts, precise times).
        return Tabular(
            scale="none",
            missing="keep",
            categories="native",
            many=self.many,
            rare=self.rare,
            combine=self.combine,
            groups=self.groups,
            texts=self.texts,
            statistics=self.statistics,
            precision="double",
        )

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> TabularEncoder:
        return self._tabular().fit(rows, schema, seed)

    def restore(self, state: Mapping[str, Any], schema: Schema) -> TabularEncoder:
        return self._tabular().restore(state, schema)
