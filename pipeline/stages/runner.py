"""Runs one stage: names checked, threads fixed, configuration whole, one writer at a time."""

from __future__ import annotations

import importlib
import os

from pipeline.core.errors import UserError
from pipeline.core.files import lock
from pipeline.core.paths import check_name, project_root, state_folder

STAGES = ("fetch", "preprocess", "train", "tune", "retrain", "blend", "submit", "report")
LOCK_WAIT = 10.0
"""Seconds to wait for a dying stage of a `dvc repro` that was killed."""


def run_stage(stage: str, name: str | None = None) -> None:
    """Run ``stage`` for a competition or model ``name``; raises UserError for the user's faults.

    Without a name it is that of DVC's stage: the shell that DVC starts never sees it.
    """
    from pipeline.core.config import Execution
    from pipeline.core.params import read_params
    from pipeline.core.process import die_with_parent
    from pipeline.core.registry import build_settings
    from pipeline.core.seeds import fix_threads

    name = check_name(_name_from_dvc(stage) if name is None else name, stage)
    if "DVC_STAGE" in os.environ:
        die_with_parent()
    raw = read_params(project_root() / "params.yaml")
    # Before numpy loads: its threads are counted once.
    fix_threads(build_settings(Execution, raw.get("execution"), "execution").threads)
    if stage not in STAGES:
        raise UserError(f"no stage '{stage}'; known: {', '.join(STAGES)}")
    module = importlib.import_module(f"pipeline.stages.{stage}")
    with lock(state_folder() / "locks" / f"{stage}-{name}", wait=LOCK_WAIT, held=f"{stage} {name}"):
        from pipeline.stages.clock import clock
        from pipeline.stages.project import load_project

        config = load_project()
        with clock(config, stage, name):
            module.run(config, name)


def _name_from_dvc(stage: str) -> str:
    """``lines-ridge`` where DVC_STAGE is ``train@lines-ridge``, or ``../dvc.yaml:train@lines-ridge``."""
    address = os.environ.get("DVC_STAGE", "")
    if f"{stage}@" not in address:
        raise UserError(f"{stage}: needs a name from params.yaml, such as `python -m pipeline {stage} NAME`, got none")
    return address.rpartition(f"{stage}@")[2]
