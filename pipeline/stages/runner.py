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


def run_stage(stage: str, name: str) -> None:
    """Run ``stage`` for a competition or model ``name``; raises UserError for the user's faults."""
    from pipeline.core.config import Execution
    from pipeline.core.params import read_params
    from pipeline.core.process import die_with_parent
    from pipeline.core.registry import build_settings
    from pipeline.core.seeds import fix_threads

    check_name(name, stage)
    if "DVC_STAGE" in os.environ:
        die_with_parent()
    raw = read_params(project_root() / "params.yaml")
    # Before numpy loads: its threads are counted once.
    fix_threads(build_settings(Execution, raw.get("execution"), "execution").threads)
    if stage not in STAGES:
        raise UserError(f"no stage '{stage}'; known: {', '.join(STAGES)}")
    module = importlib.import_module(f"pipeline.stages.{stage}")
    with lock(state_folder() / "locks" / f"{stage}-{name}", wait=LOCK_WAIT, held=f"{stage} {name}"):
        from pipeline.stages.project import load_project

        module.run(load_project(), name)
