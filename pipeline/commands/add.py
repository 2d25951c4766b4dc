"""A gallery entry or one's own files -> a competition and its models in params.yaml."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.commands import gallery
from pipeline.commands.columns_table import cleaned, table
from pipeline.commands.competition_files import CompetitionFiles
from pipeline.commands.images import columns_of_arrays, image_source, with_folders
from pipeline.commands.insert import insert, read
from pipeline.commands.parallel import parallel_source
from pipeline.commands.texts import no_columns, text_source
from pipeline.core.config import build_config
from pipeline.core.errors import UserError, counted, not_utf8
from pipeline.core.files import lock, write_text
from pipeline.core.params import parse_params
from pipeline.core.paths import check_name, project_root, refuse_below, state_folder
from pipeline.sources.archives import is_archive
from pipeline.sources.files import TABLES
from pipeline.stages.project import shelves


def run(
    name: str,
    *,
    source: str | None,
    target: str | None,
    id: str | None,
    metric: str | None,
    minutes: float | None,
    encoding: str | None = None,
    encoder: str | None = None,
    broken: str | None = None,
) -> None:
    """Add the competition ``name``; raises UserError, with params.yaml untouched. broken: of image files, as
    ``columns.images`` has it."""
    refuse_below()
    check_name(name, "add")
    if minutes is not None and not math.isfinite(minutes):
        raise UserError(f"--minutes: needs a number of minutes, got {minutes}")
    path = project_root() / "params.yaml"
    _refuse_twice(_read(path), name)
    origin = _source(source, encoding, target, metric)
    entry = _entry(name, origin, target, id, metric)
    told: list[str] = []
    if entry is not None or origin is None:
        competition, models, left_out = gallery.compose(name, entry or {}, minutes, encoder)
        _treat_broken(competition, broken)
    else:
        origin = with_folders(origin)
        with CompetitionFiles.of(origin, name) as own:
            described = own.describe(origin, target=target, id=id, metric=metric)
            competition, models, left_out = gallery.compose(name, described, minutes, encoder)
            _treat_broken(competition, broken)
            built = build_config({"competitions": {name: competition}, "models": models}, shelves())
            schema, notes = own.check(built.competition(name), metric)
            told = [*table(schema, competition), *cleaned(schema), *notes]
    added = {"competitions": {name: competition}, "models": models}
    with lock(state_folder() / "locks" / "params", wait=10, held="params.yaml"):
        text = _read(path)
        _refuse_twice(text, name)
        written = insert(text, added)
        build_config(parse_params(written), shelves())
        write_text(path, written)
    say = sys.stdout.write
    say(f"params.yaml: competition {name} with {counted(len(models), 'model')}: {', '.join(models)}\n")
    for key, why in left_out.items():
        say(f"  left out {name}-{key}: {why}\n")
    for key, why in competition.get("guessed", {}).items():
        say(f"  guessed {key}{_said(competition, key)}: {why}\n")
    say("".join(f"  {line}\n" for line in told))
    say(f"now: dvc repro report@{name}\n")


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig") if path.exists() else ""
    except UnicodeDecodeError as error:
        raise UserError(not_utf8(path.name, error)) from None


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


def _treat_broken(competition: Mapping[str, Any], broken: str | None) -> None:
    """Write what becomes of files that cannot be read into each column that is made of files."""
    if broken is None:
        return
    if broken not in ("refuse", "skip"):
        raise UserError(f"--broken: is refuse or skip, got {broken!r}")
    of_files = [body for body in competition["columns"].get("images", {}).values() if "files" in body]
    if not of_files:
        raise UserError("--broken: is of image files, and there are none")
    for body in of_files:
        body["broken"] = broken


def _source(source: str | None, encoding: str | None, target: str | None, metric: str | None) -> dict[str, Any] | None:
    if source is None:
        if encoding is not None:
            raise UserError("--encoding: is that of one's own files; give --from too")
        return None
    said = {} if encoding is None else {"encoding": encoding}
    if source.startswith("kaggle:"):
        return {"name": "kaggle", "competition": source.removeprefix("kaggle:"), **said}
    if not (project_root() / source).exists():
        raise UserError(f"--from: no file or folder {source!r}; name the folder of the files, or kaggle:SLUG")
    found = parallel_source(source, target) or text_source(source, metric) or image_source(source)
    if target is not None and found is not None and found["name"] == "texts" and target != found["unit"]:
        raise UserError(no_columns(source, target))
    found = found or _lone_table(source)
    return {**(found or {"name": "files", "path": source}), **said}


def _lone_table(source: str) -> dict[str, Any] | None:
    """A table by its own name is the training file, beside whatever lies in its folder."""
    place = project_root() / source
    if place.is_file() and place.name.lower().endswith(TABLES) and not is_archive(place):
        return {"name": "files", "path": Path(source).parent.as_posix(), "train": place.name}
    return None


def _entry(
    name: str, origin: dict[str, Any] | None, target: str | None, id: str | None, metric: str | None
) -> dict[str, Any] | None:
    """The gallery's description; None where the files speak for themselves.

    Files given with a gallery entry's name belong to it only where it asks for files: another
    edition of the same data has other columns. What is said on the command line wins: a metric replaces the
    entry's, another target or id makes it another competition.
    """
    entry = gallery.entry(name) if origin is None or name in gallery.names() else None
    if entry is None or (origin is not None and entry["competition"]["source"]["name"] != "files"):
        return None
    competition = entry["competition"]
    said = {key: value for key, value in (("target", target), ("id", id)) if value is not None}
    if any(competition["columns"].get(key) != value for key, value in said.items()):
        if origin is None:
            raise UserError(f"add: '{name}' of the gallery has its own target and id; give --from for your own files")
        return None
    if metric is not None:
        competition["metric"] = metric
    declared = competition["source"]
    if origin is not None:
        competition["source"] = {**declared, **origin}
        competition["columns"] |= columns_of_arrays(origin)
    elif declared["name"] == "files" and "path" not in declared:
        raise UserError(f"add: '{name}' needs its files: --from DIR or --from kaggle:SLUG")
    return entry
