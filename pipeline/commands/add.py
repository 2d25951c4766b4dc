"""A gallery entry or one's own files -> a competition and its models in params.yaml."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.commands import gallery
from pipeline.commands.insert import insert, read
from pipeline.core.config import build_config
from pipeline.core.errors import UserError
from pipeline.core.files import lock, write_text
from pipeline.core.params import parse_params
from pipeline.core.paths import check_name, project_root, state_folder
from pipeline.stages.project import shelves

TABLES = ("train", "test", "sample_submission")


def run(
    name: str, *, source: str | None, target: str | None, id: str | None, metric: str | None, minutes: float | None
) -> None:
    """Add the competition ``name``; raises UserError, with params.yaml untouched."""
    check_name(name, "add")
    path = project_root() / "params.yaml"
    _refuse_twice(_read(path), name)
    described = _described(name, _source(source), target, id, metric)
    competition, models, left_out = gallery.compose(name, described, minutes)
    with lock(state_folder() / "locks" / "params", wait=10, held="params.yaml"):
        text = _read(path)
        _refuse_twice(text, name)
        added = insert(text, {"competitions": {name: competition}, "models": models})
        build_config(parse_params(added), shelves())
        write_text(path, added)
    say = sys.stdout.write
    say(f"params.yaml: competition {name} with {len(models)} models: {', '.join(models)}\n")
    for key, why in left_out.items():
        say(f"  left out {name}-{key}: {why}\n")
    for key, why in competition.get("guessed", {}).items():
        say(f"  guessed {key}{_said(competition, key)}: {why}\n")
    say("now: dvc repro\n")


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig") if path.exists() else ""
    except UnicodeDecodeError as error:
        raise UserError(f"{path.name}: is not UTF-8 text ({error.reason} at byte {error.start})") from None


def _refuse_twice(text: str, name: str) -> None:
    if name in (read(text).get("competitions") or {}):
        raise UserError(f"add: params.yaml has a competition '{name}' already; take it out or choose another name")


def _said(competition: Mapping[str, Any], key: str) -> str:
    """`` = value`` of a key such as ``columns.id`` or ``task``, where it is one word."""
    value: Any = competition
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    value = value.get("name", "") if isinstance(value, Mapping) else value
    return f" = {value}" if isinstance(value, str) and value else ""


def _source(source: str | None) -> dict[str, Any] | None:
    if source is None:
        return None
    if source.startswith("kaggle:"):
        return {"name": "kaggle", "competition": source.removeprefix("kaggle:")}
    if not (project_root() / source).exists():
        raise UserError(f"--from: no file or folder {source!r}; name the folder of the files, or kaggle:SLUG")
    return {"name": "files", "path": source}


def _described(
    name: str, origin: dict[str, Any] | None, target: str | None, id: str | None, metric: str | None
) -> dict[str, Any]:
    """The gallery's description, or one guessed from the files.

    Files given with a gallery entry's name belong to it only where it asks for files: another
    edition of the same data has other columns.
    """
    entry = gallery.entry(name) if origin is None or name in gallery.names() else None
    if entry is None or (origin is not None and entry["competition"]["source"]["name"] != "files"):
        return _own(name, origin or {}, target, id, metric)
    if target or id or metric:
        raise UserError(f"add: '{name}' is a gallery entry, which says its own target, id and metric")
    declared = entry["competition"]["source"]
    if origin is not None:
        entry["competition"]["source"] = {**declared, **origin}
    elif declared["name"] == "files" and "path" not in declared:
        raise UserError(f"add: '{name}' needs its files: --from DIR or --from kaggle:SLUG")
    return entry


def _own(name: str, origin: dict[str, Any], target: str | None, id: str | None, metric: str | None) -> dict[str, Any]:
    """Bring the files aside, guess, hold them against the same rules as ``preprocess`` does."""
    from pipeline.commands.guess import guess, missing_marks
    from pipeline.commands.sample import check_sample
    from pipeline.features.raw_checks import check_raw
    from pipeline.sources import sources
    from pipeline.sources.tables import find_table, read_table

    with tempfile.TemporaryDirectory() as aside:
        part = sources.build(origin, "--from")
        part.fetch(Path(aside), name)
        paths = {stem: path for stem in TABLES if (path := find_table(Path(aside), stem))}
        missing = list(part.missing)
        tables = {stem: read_table(path, missing=missing) for stem, path in paths.items()}
        if marks := missing_marks(tables["train"]):
            missing += sorted(marks)
            origin = {**origin, "missing": missing}
            tables |= {stem: read_table(paths[stem], missing=missing) for stem in ("train", "test")}
        # As ``submit`` reads it: nothing in it is missing.
        sample = read_table(paths["sample_submission"], missing=()) if "sample_submission" in paths else None
    train, test = tables["train"], tables["test"]
    found = guess(train, test, tables.get("sample_submission"), target=target, id=id, metric=metric)
    for mark, names in sorted(marks.items()):
        found.why["source.missing"] = f"{mark!r} stands among the numbers of {', '.join(names[:5])}"
    facts = {
        "task_is_class": found.task["name"] == "classification",
        "target_is_number": found.task["name"] == "regression",
        "missing": missing,
        "where": paths["train"].name,
    }
    check_raw(train, test, **found.columns, test_where=paths["test"].name, **facts)
    described = gallery.describe(train, test, found, **facts)
    if sample is not None:
        check_sample(found, train, test, sample, missing, metric)
    competition = {
        "source": origin,
        "columns": found.columns,
        "task": found.task,
        "metric": found.metric,
        "split": found.split,
        "features": {},
        "blend": found.blend,
        "submission": found.submission,
        "guessed": found.why,
    }
    return {"competition": competition, **described}
