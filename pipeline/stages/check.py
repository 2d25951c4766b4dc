"""``params.yaml``, Podium's code, the source's files -> ``data/checked/``: what each stage hangs on.

Always runs, before every other stage; writes only what has changed.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from pipeline.core.code import code_digest, modules_of
from pipeline.core.config import Config
from pipeline.core.errors import Faults, UserError, quoted
from pipeline.core.files import write_text
from pipeline.core.params import is_unmerged
from pipeline.core.paths import CompetitionPaths, checked_folder, project_root
from pipeline.stages.digests import warn_if_unreachable
from pipeline.stages.project import load_project
from pipeline.stages.snapshot import STAGES, searched_by, snapshot


def run() -> Config:
    """Raises Faults with every fault of every key, and of the files that parts name. By hand, without DVC, it writes
    nothing, and warns of sources whose files are not there."""
    from pipeline.tracking.outbox import MODES, VARIABLE

    if (said := os.environ.get(VARIABLE) or MODES[0]) not in MODES:
        raise UserError(f"{VARIABLE}: needs one of {', '.join(MODES)}, got {quoted(said)}")
    config = load_project()
    if "DVC_STAGE" in os.environ:
        write(config)
    else:
        check_dvc_files(project_root())
        check_own_files(config)
        for competition in config.competitions.values():
            warn_if_unreachable(competition)
    return config


def write(config: Config) -> None:
    """The files of all stages, each only where it says something else than before."""
    for competition in config.competitions:
        for stage in STAGES:
            text = snapshot(config, competition, stage)
            path = CompetitionPaths(competition).checked(stage)
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                write_text(path, text)
    for folder in checked_folder().iterdir():
        if folder.name not in config.competitions and folder.is_dir():
            shutil.rmtree(folder)


def check_own_files(config: Config) -> None:
    """Raise Faults where files that parts name are not there, or may not be read: a pretrained encoder's, word vectors,
    code of one's own, which is to be UTF-8. DVC's own ``check``, which takes their digests, stops at the first."""
    parts: list[Any] = []
    for competition in config.competitions.values():
        parts += [competition.metric, competition.own_columns, *competition.features.values()]
    for model in config.models.values():
        parts += [model.model, model.fit, *(searched_by(model.tune) if model.tune is not None else [])]
    faults = []
    for part in parts:
        try:
            code_digest(file for file in modules_of(part) if file.suffix == ".py")
        except UserError as fault:
            faults.append(str(fault))
    if faults:
        raise Faults(dict.fromkeys(faults))


def check_dvc_files(root: Path) -> None:
    """Raise UserError where a crash has cut a file that DVC keeps, and then stops at, or git could not merge one."""
    lock, rwlock = root / "dvc.lock", root / ".dvc" / "tmp" / "rwlock"
    if lock.exists() and is_unmerged(lock.read_bytes()):
        raise UserError(
            "dvc.lock: git could not merge it; take theirs whole, `git checkout --theirs dvc.lock`, then `dvc pull` "
            "and `dvc repro` (docs/sharing.md)"
        )
    if lock.exists() and not _is_whole_lock(lock.read_bytes()):
        raise UserError(
            "dvc.lock: is empty or cut; delete it (or take it back from git) and run `dvc repro`, "
            "which takes what is done from its cache"
        )
    if rwlock.exists():
        try:
            json.loads(rwlock.read_bytes())
        except ValueError:
            raise UserError(".dvc/tmp/rwlock: is empty or cut; delete it and run `dvc repro`") from None


def _is_whole_lock(content: bytes) -> bool:
    import yaml

    try:
        value = yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return False
    return content.endswith(b"\n") and isinstance(value, dict) and isinstance(value.get("stages", {}), dict)
