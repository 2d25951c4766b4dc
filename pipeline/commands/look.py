"""A competition's first rows as its models will see them: typed, with their fold, and as each feature set encodes
them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pipeline.commands.columns_table import cleaned, table
from pipeline.commands.competition_files import CompetitionFiles
from pipeline.core.config import CompetitionConfig
from pipeline.core.files import read_json
from pipeline.core.paths import CompetitionPaths
from pipeline.core.ragged import Ragged
from pipeline.core.seeds import derive_seed
from pipeline.core.types import FOLD, Encoded, FeatureSet, Schema, Spec
from pipeline.images.rows import read_rows
from pipeline.stages.project import load_project

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

WIDTH = 18
"""Characters of a value that are shown."""
FEW = 12
"""Elements of an encoded row that are shown."""


def run(name: str, rows: int = 5) -> None:
    """Print what there is of the first ``rows`` training rows. What ``preprocess`` wrote is taken where it has run;
    else the source is read aside, and nothing is written."""
    competition = load_project().competition(name)
    schema, typed = _rows(competition)
    first = typed.head(rows)
    lines = [f"{name}: {len(typed)} training rows, {len(schema.columns)} columns"]
    lines += [*table(schema, competition.raw), *cleaned(schema), ""]
    lines += [f"the first {len(first)} rows, typed:", *_transposed(first), ""]
    for key, part in competition.features.items():
        encoder = _encoder(competition, key, part, schema, typed)
        lines += [
            f"feature set {key} ({part.name}), the first row:",
            *_encoded(encoder.encode(first), encoder.spec),
            "",
        ]
    sys.stdout.write("\n".join(lines))


def _rows(competition: CompetitionConfig) -> tuple[Schema, pd.DataFrame]:
    paths = CompetitionPaths(competition.name)
    if paths.train_rows.exists() and paths.schema.exists():
        schema = Schema.from_json(read_json(paths.schema))
        return schema, read_rows(paths.train_rows, schema)
    with CompetitionFiles.of(competition.raw["source"], competition.name) as own:
        schema, train, _ = own.typed(competition)
    return schema, train


def _encoder(competition: CompetitionConfig, key: str, part: FeatureSet, schema: Schema, typed: pd.DataFrame) -> Any:
    state = CompetitionPaths(competition.name).features / key / "all.json"
    if state.exists():
        return part.restore(read_json(state), schema)
    return part.fit(typed, schema, derive_seed(key, None))


def _transposed(rows: pd.DataFrame) -> list[str]:
    """A line a column, a value a row."""
    names = ["fold" if name == FOLD else str(name) for name in rows]
    widest = max(map(len, names))
    return [
        f"  {name:{widest}}  " + "  ".join(f"{_short(value):{WIDTH}}" for value in rows[column]).rstrip()
        for name, column in zip(names, rows, strict=True)
    ]


def _short(value: Any) -> str:
    if value is None or value != value:
        return "missing"
    text = f"{value:g}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _encoded(inputs: Encoded, spec: Spec) -> list[str]:
    lines = []
    for key, array in inputs.items():
        names = spec.names.get(key, [])
        if isinstance(array, Ragged):
            lines.append(
                f"  {key}: {array.values.dtype}, {len(array.row(0))} in this row: {_elements(array.row(0), [])}"
            )
            continue
        shape = " x ".join(map(str, array.shape[1:])) or "one"
        lines.append(f"  {key}: {array.dtype}, {shape} a row: {_elements(array[0], names)}")
    return lines


def _elements(row: np.ndarray, names: list[str]) -> str:
    flat = row.reshape(-1)
    shown = [f"{one:g}" for one in flat[:FEW].tolist()]
    if len(names) == len(flat):
        shown = [f"{name}={value}" for name, value in zip(names, shown, strict=False)]
    return ", ".join(shown) + (", …" if len(flat) > FEW else "")
