"""Who may work on a study that another process began: whoever has its code, settings and data."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError
from pipeline.tuning.storage import open_storage, told_plainly

if TYPE_CHECKING:
    import optuna

FACTS = "facts"
NAMED = {
    "data": "rows (bring them with `dvc pull`)",
    "folds": "scores of the folds as declared (bring them with `dvc pull`)",
    "settings": "settings (params.yaml)",
    "total": "trials, minutes or batch (params.yaml)",
    "code": "code (check out the same commit)",
}
"""What is told of each kind of fact that is another one."""


def note_facts(study: optuna.Study, facts: Mapping[str, Any]) -> None:
    """Write down in a study what whoever joins it must have. facts: by kind, among them ``model``, whose it is."""
    if facts and study.user_attrs.get(FACTS) != dict(facts):
        study.set_user_attr(FACTS, dict(facts))


def join_study(path: Path, name: str, facts: Mapping[str, Any]) -> optuna.Study:
    """The study of that name, which is there. Raises UserError where it is not, or was begun with other facts."""
    import optuna

    storage = open_storage(path)
    try:
        study = optuna.load_study(study_name=name, storage=storage)
        begun = [study.user_attrs.get(FACTS, {})]
    except KeyError:
        begun = [one.user_attrs.get(FACTS, {}) for one in storage.get_all_studies()]
    begun = [one for one in begun if one.get("model") == facts["model"]]
    if not begun:
        raise NotBegun(f"{facts['model']}: no study of it is in the database; `dvc repro` of its project begins one")
    differing = min(([kind for kind in NAMED if one.get(kind) != facts[kind]] for one in begun), key=len)
    if differing:
        told = ", ".join(NAMED[kind] for kind in differing)
        raise NotBegun(f"{facts['model']}: the study in the database has other {told}")
    return study


def wait_for_study(path: Path, name: str, facts: Mapping[str, Any], seconds: float) -> None:
    """Return once there is a study that may be joined; raises what is in the way after so many seconds."""
    ends = time.monotonic() + seconds
    with told_plainly():
        while True:
            try:
                join_study(path, name, facts)
                return
            except NotBegun:
                if time.monotonic() >= ends:
                    raise
                time.sleep(min(1.0, seconds))


class NotBegun(UserError):
    """No study is there that this copy of the project may join."""
