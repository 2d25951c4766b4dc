"""Whether one's own columns, rows from elsewhere, or weights help: a model cross-validated with and without them."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from pipeline.answering.gains import told_gain
from pipeline.core.config import CompetitionConfig, Config, build_config
from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.files import read_json
from pipeline.core.params import read_params
from pipeline.core.paths import CompetitionPaths, ModelPaths, project_root
from pipeline.stages.project import load_project, shelves


def _without_own_columns(competition: dict[str, Any], raw: Path) -> None:
    """And without what is declared of them."""
    from pipeline.sources.tables import find_table, read_table

    del competition["own_columns"]
    if (train := find_table(raw, "train")) is not None:
        names = set(map(str, read_table(train, missing=()).columns))
        for key in {"types", "formats"} & set(competition["columns"]):
            declared = competition["columns"][key]
            competition["columns"][key] = {name: value for name, value in declared.items() if name in names}


def _without_extra(competition: dict[str, Any], raw: Path) -> None:
    """And without what is declared of their mark."""
    source, columns = competition["source"], competition["columns"]
    for key in {"types", "formats"} & set(columns):
        columns[key] = {name: value for name, value in columns[key].items() if name != source.get("mark")}
    for key in ("extra", "extra_weight", "mark"):
        source.pop(key, None)


def _without_weight(competition: dict[str, Any], raw: Path) -> None:
    """Its column being no feature all the same."""
    columns = competition["columns"]
    weight = columns.pop("weight")
    columns["drop"] = [*columns.get("drop", ()), weight]
    if "formats" in columns:
        columns["formats"] = {name: form for name, form in columns["formats"].items() if name != weight}


OF: Mapping[str, tuple[Callable[[Mapping[str, Any]], bool], Callable[[dict[str, Any], Path], None]]] = {
    "own_columns": (lambda competition: bool(competition.get("own_columns")), _without_own_columns),
    "extra": (lambda competition: bool(competition["source"].get("extra")), _without_extra),
    "weight": (lambda competition: bool(competition["columns"].get("weight")), _without_weight),
}
"""What is tried: whether a competition's settings have it, and what takes it out of them, given its raw files."""


def run(name: str, model: str | None = None) -> None:
    """Print a line for each of these that the competition has. model: the one to try with; its first otherwise.

    Works in a folder aside: neither the project's results nor its records change.
    """
    from pipeline.core.seeds import fix_threads

    config, raw = load_project(), _from_here(read_params(project_root() / "params.yaml"))
    every = config.models_of(config.competition(name).name)
    found = [one for one in every if one.pseudo is None]
    chosen = found[0].name if model is None else model
    if chosen in [one.name for one in every if one.pseudo is not None]:
        raise UserError(
            f"gain: '{chosen}' learns from pseudo-labels, whose gain `train` tells where the same model stands without "
            f"them; name another, such as {found[0].name}"
        )
    if chosen not in [one.name for one in found]:
        raise UserError(f"gain: no model '{chosen}' of {name}{did_you_mean(chosen, [one.name for one in found])}")
    body = raw["competitions"][name]
    wanted = [what for what, (has, _) in OF.items() if has(body)]
    if not wanted:
        raise UserError(
            f"gain: {name} has neither own_columns nor source.extra nor columns.weight, whose gain could be told; "
            "that of pseudo-labels is told by `train`"
        )
    fix_threads(1)
    metric = config.competition(name).metric
    with _aside(config.competition(name)) as fetched:
        whole = _scores(body, raw, name, chosen)
        for what in wanted:
            changed = deepcopy(body)
            OF[what][1](changed, fetched)
            sys.stdout.write(told_gain(f"{what} ({chosen})", metric, whole, _scores(changed, raw, name, chosen)) + "\n")


HIDDEN = ("data", ".podium", "params.yaml", "dvc.lock")
"""What the folder aside has not of the project."""


def _from_here(settings: Any) -> Any:
    """Settings in which files that the folder aside lacks, such as ``../vectors.txt``, stand by their whole path."""
    if isinstance(settings, Mapping):
        return {key: _from_here(value) for key, value in settings.items()}
    if isinstance(settings, list):
        return [_from_here(value) for value in settings]
    if not isinstance(settings, str) or settings.partition("/")[0] not in ("..", *HIDDEN):
        return settings
    place = project_root().absolute() / settings
    return str(place) if "/" in settings and place.exists() else settings


def _scores(competition: Mapping[str, Any], raw: Mapping[str, Any], name: str, model: str) -> list[float]:
    """The model's folds under these settings of its competition."""
    from pipeline.stages import preprocess, train

    body = {key: value for key, value in raw["models"][model].items() if key not in ("tune", "budget")}
    built: Config = build_config(
        {"competitions": {name: competition}, "models": {model: body}, "execution": raw.get("execution")}, shelves()
    )
    for stage in (preprocess, train):
        stage.run(built, name)
    return [fold["valid"] for fold in read_json(ModelPaths(name, model).cv / "scores.json")["folds"]]


@contextmanager
def _aside(competition: CompetitionConfig) -> Iterator[Path]:
    """Within, the working folder is a project beside this one, with its files and none of its results but the
    competition's raw files, whose folder it gives."""
    before = os.environ.get("PODIUM_TRACKING")
    with tempfile.TemporaryDirectory(prefix="podium-") as folder:
        for item in project_root().resolve().iterdir():
            if item.name not in HIDDEN and not item.name.startswith("mlflow"):
                (Path(folder) / item.name).symlink_to(item)
        fetched = Path(folder) / CompetitionPaths(competition.name).raw.relative_to(project_root())
        fetched.mkdir(parents=True)
        competition.source.fetch(fetched, competition.name)  # from here, where its path leads somewhere
        os.environ["PODIUM_TRACKING"] = "off"
        try:
            with chdir(folder):
                yield fetched
        finally:
            os.environ.pop("PODIUM_TRACKING")
            if before is not None:
                os.environ["PODIUM_TRACKING"] = before
