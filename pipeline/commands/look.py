"""A competition's first rows as its models will see them: typed, with their fold, and as each feature set encodes
them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.commands.columns_table import cleaned, table
from pipeline.commands.competition_files import CompetitionFiles
from pipeline.core.config import CompetitionConfig, Config
from pipeline.core.errors import UserError, counted
from pipeline.core.files import digest, read_json
from pipeline.core.paths import CompetitionPaths
from pipeline.core.ragged import Ragged
from pipeline.core.seeds import derive_seed
from pipeline.core.stored import Stored
from pipeline.core.types import FOLD, Encoded, FeatureSet, Schema, Spec
from pipeline.features.learned import Learned
from pipeline.images.rows import read_rows
from pipeline.stages.project import load_project
from pipeline.stages.snapshot import contents

if TYPE_CHECKING:
    import pandas as pd

ACROSS = 6
"""Images in a row of the picture."""
EPOCHS = 3
"""Of which changed images are shown."""
PICTURE = "The first images, and what augmentation makes of them in training"
WIDTH = 18
"""Characters of a value that are shown."""
FEW = 12
"""Elements of an encoded row that are shown."""


def run(name: str, rows: int = 5, picture: Path | None = None) -> None:
    """Print what there is of the first ``rows`` training rows. What ``preprocess`` wrote is taken where it has run by
    the settings that params.yaml has now; else the source is read aside, and nothing is written but, of images, the
    ``picture`` that is asked for: the first rows, and these as models' augmentation changes them in their first
    epochs."""
    config = load_project()
    competition = config.competition(name)
    written = _written(config, name)
    schema, typed = _rows(competition, written)
    if picture is not None:
        _draw(config, competition, schema, typed, picture)
    first = typed.head(rows)
    lines = [f"{name}: {counted(len(typed), 'training row')}, {counted(len(schema.columns), 'column')}"]
    lines += [*table(schema, competition.raw), *cleaned(schema), ""]
    lines += [f"the first {len(first)} rows, typed:", *_transposed(first), ""]
    for key, part in competition.features.items():
        encoder = _encoder(competition, key, part, schema, typed, written)
        lines += [
            f"feature set {key} ({_called(part)}), the first row:",
            *_encoded(encoder.encode(first), encoder.spec),
            "",
        ]
    sys.stdout.write("\n".join(lines))


def _written(config: Config, name: str) -> bool:
    """Whether there are rows of the settings that params.yaml has now; tells where they are of others."""
    paths = CompetitionPaths(name)
    if not (paths.train_rows.exists() and paths.schema.exists() and paths.checked("preprocess").exists()):
        return False
    now, then = contents(config, name, "preprocess"), read_json(paths.checked("preprocess"))
    if digest(now["competition"]) == digest(then["competition"]):
        return True
    told = f"params.yaml was edited since {name} was preprocessed: this is read from its source"
    sys.stderr.write(f"warning: {told}; `dvc repro preprocess@{name}` makes its rows anew\n")
    return False


def _rows(competition: CompetitionConfig, written: bool) -> tuple[Schema, pd.DataFrame]:
    paths = CompetitionPaths(competition.name)
    if written:
        schema = Schema.from_json(read_json(paths.schema))
        return schema, read_rows(paths.train_rows, schema)
    with CompetitionFiles.of(competition.raw["source"], competition.name) as own:
        schema, train, _ = own.typed(competition)
    return schema, train


def _encoder(
    competition: CompetitionConfig, key: str, part: FeatureSet, schema: Schema, typed: pd.DataFrame, written: bool
) -> Any:
    state = CompetitionPaths(competition.name).features / key / "all.json"
    if written and state.exists():
        return part.restore(read_json(state), schema)
    return part.fit(typed, schema, derive_seed(key, None))


def _called(part: FeatureSet) -> str:
    """As params.yaml has it, behind the columns that a class of one's own learns."""
    return f"{part.of.name}, and columns that {part.path} learns" if isinstance(part, Learned) else part.name


def _transposed(rows: pd.DataFrame) -> list[str]:
    """A line a column, a value a row."""
    names = ["fold" if name == FOLD else str(name) for name in rows]
    widest = max(map(len, names))
    return [
        f"  {name:{widest}}  " + "  ".join(f"{_short(value):{WIDTH}}" for value in rows[column]).rstrip()
        for name, column in zip(names, rows, strict=True)
    ]


def _draw(config: Config, competition: CompetitionConfig, schema: Schema, typed: pd.DataFrame, picture: Path) -> None:
    from pipeline.core.files import whole_file
    from pipeline.reporting.figures import draw

    if picture.suffix.lower() != ".png":
        raise UserError(f"--picture: is written as .png, got {picture.name!r}")
    if not schema.names("image"):
        raise UserError(f"--picture: {competition.name} has no column of images")
    shown: list[Any] = []
    told: list[str] = []
    for column in schema.names("image"):
        images = np.stack([image for image in typed[column].iloc[:ACROSS]])  # [rows, height, width, channels]
        shown += images.tolist()
        told += [str(value) for value in typed[schema.target_names[0]].iloc[:ACROSS]]
        ways = {str(model.fit.augmentation): model for model in config.models_of(competition.name)}
        for model in ways.values():
            if model.fit.augmentation:
                shown += _changed(images, model.fit.augmentation, model.seed)
                whose = f"{model.name.removeprefix(f'{competition.name}-')}, " if len(ways) > 1 else ""
                told += [f"{whose}epoch {epoch + 1}" for epoch in range(EPOCHS) for _ in images]
    with whole_file(picture) as aside:
        aside.write_bytes(draw("mistakes", {"images": shown, "told": told, "title": PICTURE}))
    sys.stdout.write(f"{picture}: {len(shown)} images\n")


def _changed(images: np.ndarray, augmentation: Any, seed: int) -> list[Any]:
    """As lists, [height][width][channels] each, in the first epochs of a fit."""
    import torch

    from pipeline.training.augmented import augmented

    batch, index = {"image": torch.from_numpy(images)}, torch.arange(len(images))
    found = []
    for epoch in range(EPOCHS):
        changed = augmented(augmentation, batch, index, derive_seed(seed, "augmentation", epoch))["image"]
        found += changed.permute(0, 2, 3, 1).round().clamp(0, 255).to(torch.uint8).tolist()
    return found


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return " x ".join(map(str, value.shape))
    if value is None or value != value:
        return "missing"
    text = f"{value:g}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _encoded(inputs: Encoded, spec: Spec) -> list[str]:
    lines = []
    for key, array in inputs.items():
        names = spec.names.get(key, [])
        if isinstance(array, Stored):
            scale = spec.scales.get(key, {})
            told = ", ".join(f"{what} {' '.join(f'{one:.1f}' for one in values)}" for what, values in scale.items())
            lines.append(f"  {key}: {array.dtype}, {' x '.join(map(str, array.shape[1:]))} a row; {told}")
            continue
        if isinstance(array, Ragged):
            row, words = array.row(0), spec.vocabularies.get(key, [])
            shown = _elements(row, []) if not words or row.max(initial=0) >= len(words) else _spelled(row, words)
            lines.append(f"  {key}: {array.values.dtype}, {len(row)} in this row: {shown}")
            continue
        shape = " x ".join(map(str, array.shape[1:])) or "one"
        of = f"{shape} a row: {_elements(array[0], names)}" if array[0].size else "none"
        lines.append(f"  {key}: {array.dtype}, {of}")
    return lines


def _spelled(row: np.ndarray, words: Sequence[str]) -> str:
    """Indices as the tokens or terms that they stand for."""
    return " ".join(repr(words[index]) for index in row[:FEW].tolist()) + (" …" if len(row) > FEW else "")


def _elements(row: np.ndarray, names: list[str]) -> str:
    flat = row.reshape(-1)
    shown = [f"{one:g}" for one in flat[:FEW].tolist()]
    if len(names) == len(flat):
        shown = [f"{name}={value}" for name, value in zip(names, shown, strict=False)]
    return ", ".join(shown) + (", …" if len(flat) > FEW else "")
