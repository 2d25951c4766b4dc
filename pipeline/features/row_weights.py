"""How much each training row counts in a fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.config import CompetitionConfig
from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.schema import FOLD, WEIGHT, Schema
from pipeline.features import values
from pipeline.features.notes import format_note
from pipeline.features.number_formats import DECIMAL_COMMAS, NumberFormat, number_format

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RowWeights:
    """The weights of all files' training rows, as they stand there.

    rows: by file stem, how many. columns: the column that weighs, of files that have it.
    """

    competition: CompetitionConfig
    names: Mapping[str, str]
    rows: Mapping[str, int]
    columns: Mapping[str, pd.Series]

    @classmethod
    def out_of(
        cls, competition: CompetitionConfig, raw: dict[str, pd.DataFrame], names: Mapping[str, str]
    ) -> RowWeights | None:
        """Take the column out of the raw tables, where it is no feature; None where all rows count alike."""
        name = competition.columns.weight
        if name is None and competition.source.extra_weight == 1:
            return None
        if name is not None and name not in raw["train"]:
            hint = did_you_mean(name, map(str, raw["train"].columns))
            raise UserError(f"{names['train']}: no column '{name}' (declared as columns.weight){hint}")
        training = [stem for stem in raw if stem != "test"]
        found = cls(
            competition,
            names,
            {stem: len(raw[stem]) for stem in training},
            {stem: raw[stem][name] for stem in training if name in raw[stem]},
        )
        for stem in raw:
            raw[stem] = raw[stem].drop(columns=[name], errors="ignore")
        return found

    def read(self, schema: Schema) -> tuple[dict[str, np.ndarray], Schema]:
        """By stem float64 [rows]: each row's own, 1 where its file names none, times ``source.extra_weight`` of rows
        from elsewhere; and the schema with what is to be told of the column.

        All files are read in one format: the declared one, or what fits them all, where the other columns decide what
        these values leave open. Raises UserError for a weight that is no finite number of 0 or more.
        """
        name, form = self.competition.columns.weight, self._format(schema)
        weights = {}
        for stem, rows in self.rows.items():
            weight = np.ones(rows) if stem not in self.columns else self._of(stem, form)
            weights[stem] = weight * (1.0 if stem in ("train", "valid") else self.competition.source.extra_weight)
        if name is None:
            return weights, schema
        if not weights["train"].any():
            raise UserError(f"{self.names['train']}: column '{name}': needs a weight above 0 somewhere, and all are 0")
        notes = {name: format_note(form)} if form is not None and format_note(form) else {}
        dropped = {**schema.dropped, name: "says how much a row counts"}
        return weights, replace(schema, dropped=dropped, notes={**schema.notes, **notes})

    def _format(self, schema: Schema) -> NumberFormat | None:
        import pandas as pd

        declared = self.competition.columns.formats.get(self.competition.columns.weight or "")
        texts = [values.text(one, schema.missing) for one in self.columns.values() if not values.is_numeric(one)]
        if declared is not None:
            return NumberFormat.parse(declared)
        if not texts:
            return None
        others = [
            NumberFormat.parse(one.format).written
            for one in schema.columns
            if one.source == "numeric_text" and one.format
        ]
        likely = next((written for written in others if written in DECIMAL_COMMAS), None)
        return number_format(pd.concat(texts, ignore_index=True), likely)

    def _of(self, stem: str, form: NumberFormat | None) -> np.ndarray:
        column, where = self.columns[stem], self.names[stem]
        missing = self.competition.source.missing
        number, bad = values.numbers(column, missing, None if form is None else str(form))
        weights = np.asarray(number, dtype=np.float64)
        if (bad := bad | ~(weights >= 0)).any():
            row = int(bad.argmax())
            absent = bool(values.text(column, missing).isna().iloc[row])
            got = "a missing value" if absent else values.got(column, row)
            most = f" and at most {values.LARGEST:g}" if weights[row] > values.LARGEST else ""
            rule = f"needs a weight of 0 or more{most}"
            values.raise_at(where, column, row, f"{rule}, got {got}; mend it or take the row out")
        return weights


def check_folds(competition: CompetitionConfig, rows: pd.DataFrame, where: str, warn: Callable[[str], object]) -> None:
    """Raises UserError where a fold's training rows all weigh nothing; tells of a class whose rows do."""
    fold, weight = rows[FOLD].to_numpy(), rows[WEIGHT].to_numpy()
    named = f"{where}: column '{competition.columns.weight}'"
    for k in range(int(fold.max()) + 1):
        training = competition.split.training_rows(fold, k)
        if not weight[training].any():
            raise UserError(f"{named}: all rows that train for fold {k} weigh 0")
        if competition.task.target_kind != "class":
            continue
        target = rows[competition.columns.targets[0]]
        weighs = set(target[training & (weight > 0)])
        if weightless := [one for one in target.unique().tolist() if one not in weighs]:
            warn(
                f"{named}: in fold {k} all training rows of the class {weightless[0]!r} weigh 0, so no model learns it"
            )
            return
