"""``raw/`` -> ``rows/`` (typed, with folds), ``schema.json``, ``features/`` (fitted encoders)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.answering.submitting import check_sample, read_sample
from pipeline.core.code import code_digest, code_files
from pipeline.core.config import CompetitionConfig, Config
from pipeline.core.errors import UserError
from pipeline.core.files import digest, digest_files, whole_folder, write_json
from pipeline.core.paged import take_rows
from pipeline.core.paths import CompetitionPaths
from pipeline.core.registry import settings_dict
from pipeline.core.seeds import derive_seed
from pipeline.core.types import FOLD, WEIGHT, FeatureSet, Schema, Split
from pipeline.images.rows import write_rows
from pipeline.stages.view import Line, View
from pipeline.text.cleaning.cleaning import Changes, built

if TYPE_CHECKING:
    import pandas as pd


READS_IMAGES = ("images/decoding.py", "images/pixels.py", "images/reading.py", "images/rows.py")
"""The code that images are read by."""
TOLD_SECONDS = 1.0
"""That a feature set takes, to be told of where nobody watches a terminal."""


def run(config: Config, name: str) -> None:
    competition, paths = config.competition(name), CompetitionPaths(name)
    changes, told = Changes(), Told()
    with whole_folder(paths.features) as features, whole_folder(paths.rows) as rows:
        schema, train, test, extra = _rows(competition, paths, changes, told, rows)
        if test is not None:
            check_sample(competition, schema, test, read_sample(competition))  # what cannot be submitted is not trained
        write_rows(train, rows / "train.parquet")
        if test is not None:
            write_rows(test, rows / "test.parquet")
        for column in schema.names("category"):
            train[column] = train[column].astype("category")  # so that a fold's rows are a light copy
        encoded = _fit_all(competition, schema, train, test, features)
        own = competition.own_columns
        rows_digest = digest(
            digest_files(paths.raw),
            schema.to_json(),
            settings_dict(competition.split),
            train[FOLD].tolist(),
            *([train[WEIGHT].tolist()] if WEIGHT in train else []),
            *([code_digest(own.code_files)] if own is not None else []),
            *([_code_of_cleaning(schema)] if schema.clean else []),
            *([code_digest(code_files((), (), READS_IMAGES))] if schema.images else []),
        )
        facts = {
            "digest": rows_digest,
            "digests": {
                key: digest(
                    rows_digest, settings_dict(part), digest_files(features / key), _code_of(part, competition.split)
                )
                for key, part in competition.features.items()
            },
            "train_rows": len(train),
            "extra_rows": extra,
            "test_rows": 0 if test is None else len(test),
            "folds": int(train[FOLD].max()) + 1,
            "cleaning": changes.to_json(),
            "told": told,
            "encoded": {set_name: told for set_name, told in encoded.items() if any(told.values())},
            "statistics": {set_name: part.statistics for set_name, part in competition.features.items()},
        }
        write_json(rows / "facts.json", facts)
    write_json(paths.schema, schema.to_json())


def _code_of(features: FeatureSet, split: Split) -> str:
    """Digest of what rows are encoded by: the training rows by the split too, which cross-fits what looks at the
    target."""
    return code_digest(code_files(("core",), [features, split], ["splits/inner_folds.py"]))


def _code_of_cleaning(schema: Schema) -> str:
    steps = [built(some) for some in schema.clean.values()]
    return code_digest(code_files((), steps, ["text/cleaning/cleaning.py"]))


def _rows(
    competition: CompetitionConfig, paths: CompetitionPaths, changes: Changes, told: Told, into: Path
) -> tuple[Schema, pd.DataFrame, pd.DataFrame | None, int]:
    from pipeline.features.extra_rows import EXTRA
    from pipeline.features.typed_rows import ImagesOf, read_as_text, texts_of, typed_rows
    from pipeline.sources.raw import find_raw, image_places, read_raw

    text, missing = read_as_text(competition), competition.source.missing
    extras = [f"{EXTRA}{number}" for number in range(len(competition.source.extra))]
    files = {stem: find_raw(paths.raw, stem) for stem in ("train", "valid", "test", *extras)}
    if files["train"] is None:
        raise UserError(f"{paths.raw.name}: no train file; the source '{competition.source.name}' brought none")
    tables: dict[str, pd.DataFrame] = {}
    for stem, path in files.items():
        if path is not None:
            tables[stem] = read_raw(path, stem, competition.columns.images, into, missing=missing, text=text)
            text = [*text, *texts_of(tables[stem])] if stem == "train" else text
    names = {stem: path.name for stem, path in files.items() if path is not None}
    names |= {f"{EXTRA}{number}": Path(own).name for number, own in enumerate(competition.source.extra)}
    images = ImagesOf(image_places(paths.raw, competition.source.images), into)
    return typed_rows(competition, tables, names, told.warn, changes=changes, images=images)


class Told(list[str]):
    """What was told of the rows, which the report repeats."""

    def warn(self, line: str) -> None:
        print(f"warning: {line}", file=sys.stderr)  # noqa: T201
        self.append(line)


def _fit_all(
    competition: CompetitionConfig, schema: Schema, train: pd.DataFrame, test: pd.DataFrame | None, features: Path
) -> dict[str, dict[str, dict[str, float]]]:
    """Of each feature set see ``_fit_encoders``; long ones are told, since they may take most of a budget."""
    lines = [Line(name, "encoders", int(train[FOLD].max()) + 2) for name in competition.features]
    encoded = {}
    with View(f"{competition.name}: feature sets", lines, what="feature set") as view:
        for line in lines:
            began = time.monotonic()
            line.state = "runs"

            def fitted(line: Line = line) -> None:
                line.done += 1
                view.refresh()

            view.refresh()
            encoded[line.name] = _fit_encoders(
                competition, line.name, schema, train, test, features / line.name, fitted
            )
            line.state = "done"
            if (took := time.monotonic() - began) >= TOLD_SECONDS:
                view.tell(line.name, f"{line.done:.0f} encoders fitted, {took:.1f} s")
    return encoded


def _fit_encoders(
    competition: CompetitionConfig,
    set_name: str,
    schema: Schema,
    train: pd.DataFrame,
    test: pd.DataFrame | None,
    folder: Path,
    fitted: Callable[[], None],
) -> dict[str, dict[str, float]]:
    """One encoder a fold, fitted on its training rows alone, and one on all training rows; gives what is to be told
    of how each fold's validation rows, and the test rows, are read. fitted: called after each.

    A feature set with ``statistics: train_and_test`` is fitted once on all rows, as the book
    does it; the report says so.
    """
    import pandas as pd

    part = competition.features[set_name]
    fold = train[FOLD].to_numpy()
    folder.mkdir(parents=True)
    joint = None
    if part.statistics != "training":
        alone = train.drop(columns=[FOLD, WEIGHT, *schema.target_names], errors="ignore")
        both = test is not None and part.statistics == "train_and_test"
        rows = pd.concat([alone, test], ignore_index=True) if both else alone
        joint = part.fit(rows, schema, derive_seed(set_name))
        part.hold(joint, rows, schema)
    told: dict[str, dict[str, float]] = {}
    for k in [*range(int(fold.max()) + 1), None]:
        if joint is None:
            rows = train if k is None else take_rows(train, competition.split.training_rows(fold, k))
            encoder = part.fit(rows, schema, derive_seed(set_name, k))
            if k is None:
                part.hold(encoder, rows, schema)
        else:
            encoder = joint
        write_json(folder / ("all.json" if k is None else f"fold-{k}.json"), encoder.state())
        unseen = test if k is None else take_rows(train, fold == k)
        if unseen is not None:
            told["test" if k is None else f"fold {k}"] = part.facts(encoder, unseen)
        fitted()
    return told
