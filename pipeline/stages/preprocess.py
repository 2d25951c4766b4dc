"""``raw/`` -> ``rows/`` (typed, with folds), ``schema.json``, ``features/`` (fitted encoders)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.code import code_digest, code_files
from pipeline.core.config import CompetitionConfig, Config
from pipeline.core.errors import UserError
from pipeline.core.files import digest, digest_files, whole_folder, write_json
from pipeline.core.memory import give_memory_back
from pipeline.core.paths import CompetitionPaths
from pipeline.core.registry import settings_dict
from pipeline.core.seeds import derive_seed
from pipeline.core.types import FOLD, FeatureSet, Schema, Split

if TYPE_CHECKING:
    import pandas as pd


def run(config: Config, name: str) -> None:
    competition, paths = config.competition(name), CompetitionPaths(name)
    schema, train, test, train_file = _typed_rows(competition, paths)
    with _in_file(train_file):
        competition.task.fit_target(train[schema.target], schema)  # refuses what its transform cannot take
        train[FOLD] = competition.split.assign(
            train, competition.columns, task_is_class=competition.task.target_kind == "class"
        )
    with whole_folder(paths.features) as features, whole_folder(paths.rows) as rows:
        train.to_parquet(rows / "train.parquet", index=False)
        test.to_parquet(rows / "test.parquet", index=False)
        for column in schema.names("category"):
            train[column] = train[column].astype("category")  # so that a fold's rows are a light copy
        for set_name in competition.features:
            _fit_encoders(competition, set_name, schema, train, test, features / set_name)
        rows_digest = digest(
            digest_files(paths.raw), schema.to_json(), settings_dict(competition.split), train[FOLD].tolist()
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
            "test_rows": len(test),
            "folds": int(train[FOLD].max()) + 1,
            "statistics": {set_name: part.statistics for set_name, part in competition.features.items()},
        }
        write_json(rows / "facts.json", facts)
    write_json(paths.schema, schema.to_json())


def _code_of(features: FeatureSet, split: Split) -> str:
    """Digest of what rows are encoded by: the training rows by the split too, which cross-fits what looks at the
    target."""
    return code_digest(code_files((), [features, split], ["splits/inner_folds.py"]))


def _typed_rows(
    competition: CompetitionConfig, paths: CompetitionPaths
) -> tuple[Schema, pd.DataFrame, pd.DataFrame, str]:
    """Read, check, settle the types once, and apply them to both files; the training file's name last."""
    from pipeline.features.raw_checks import check_raw
    from pipeline.features.schema import apply, check, settle
    from pipeline.sources.tables import find_table, read_table

    source, columns = competition.source, competition.columns

    def read(stem: str) -> tuple[pd.DataFrame, str]:
        path = find_table(paths.raw, stem)
        if path is None:
            raise UserError(f"{paths.raw.name}: no {stem} file; the source '{source.name}' brought none")
        return read_table(path, missing=source.missing), path.name  # ``fetch`` wrote it in UTF-8

    (train_raw, train_file), (test_raw, test_file) = read("train"), read("test")
    facts: dict[str, Any] = {
        "id": columns.id,
        "target": columns.target,
        "drop": columns.drop,
        "keep": [column for column in (columns.group, columns.time, columns.fold) if column],
        "task_is_class": competition.task.target_kind == "class",
        "target_is_number": competition.task.target_kind == "number",
        "missing": source.missing,
        "where": train_file,
    }
    check_raw(train_raw, test_raw, test_where=test_file, **facts)
    schema = settle(train_raw, test_raw, types=columns.types, **facts)
    train = apply(schema, train_raw, training=True, where=train_file)
    del train_raw  # a large table need not be there twice
    test = apply(schema, test_raw, training=False, where=test_file)
    del test_raw
    give_memory_back()
    check(schema, train, train_file)
    check(schema, test, test_file)
    return schema, train, test, train_file


@contextmanager
def _in_file(name: str) -> Iterator[None]:
    """Faults of the rows told with the file they stand in."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def _fit_encoders(
    competition: CompetitionConfig, set_name: str, schema: Schema, train: pd.DataFrame, test: pd.DataFrame, folder: Path
) -> None:
    """One encoder a fold, fitted on its training rows alone, and one on all training rows.

    A feature set with ``statistics: train_and_test`` is fitted once on all rows, as the book
    does it; the report says so.
    """
    import pandas as pd

    part = competition.features[set_name]
    fold = train[FOLD].to_numpy()
    folder.mkdir(parents=True)
    joint = None
    if part.statistics == "train_and_test":
        rows = pd.concat([train.drop(columns=[FOLD, schema.target], errors="ignore"), test], ignore_index=True)
        joint = part.fit(rows, schema, derive_seed(set_name)).state()
    for k in [*range(int(fold.max()) + 1), None]:
        path = folder / ("all.json" if k is None else f"fold-{k}.json")
        if joint is not None:
            write_json(path, joint)
            continue
        rows = train if k is None else train[competition.split.training_rows(fold, k)]
        write_json(path, part.fit(rows, schema, derive_seed(set_name, k)).state())
