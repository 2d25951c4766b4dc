"""``params.yaml`` -> ``data/checked.txt``, once it holds no fault. Stands before every other stage."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.core.files import write_text
from pipeline.core.paths import project_root
from pipeline.stages.project import load_project


def run() -> Config:
    """Raises Faults with every fault of every key.

    What it writes never changes, so that an edit of params.yaml runs no more than it must.
    """
    config = load_project()
    if "DVC_STAGE" not in os.environ:
        check_dvc_files(project_root())
    write_text(project_root() / "data" / "checked.txt", "params.yaml holds no fault\n")
    return config


def check_dvc_files(root: Path) -> None:
    """Raise UserError where a crash has cut a file that DVC keeps, and then stops at."""
    lock, rwlock = root / "dvc.lock", root / ".dvc" / "tmp" / "rwlock"
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
