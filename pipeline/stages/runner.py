"""Runs one stage of a competition: its settings as ``check`` left them, threads fixed, one writer at a time."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any

from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.files import lock
from pipeline.core.paths import CompetitionPaths, check_name, state_folder

FITS = ("train", "tune", "retrain")
"""Stages that fit models."""

LOCK_WAIT = 10.0
"""Seconds to wait for a dying stage of a `dvc repro` that was killed."""


def run_stage(stage: str, name: str | None = None, *, again: bool = False) -> None:
    """Run ``stage`` for a competition, or by hand for one of its models; raises UserError for the user's faults.

    Without a name it is that of DVC's stage: the shell that DVC starts never sees it.
    again: fit anew what is kept.
    """
    from pipeline.core.process import die_with_parent, launched, rank
    from pipeline.core.seeds import fix_threads

    if launched() > 1 and stage not in FITS:
        raise UserError(f"torchrun: {stage} trains nothing; {', '.join(FITS)} do")
    if rank():
        _follow()
        return
    name = check_name(_name_from_dvc(stage) if name is None else name, stage)
    if "DVC_STAGE" in os.environ:
        die_with_parent()
    fix_threads(1)  # before numpy loads, which counts once; jobs have as many as execution.threads says
    from pipeline.stages.clock import clock
    from pipeline.stages.snapshot import hold, read, verify_code

    competition, model = (name, None) if "DVC_STAGE" in os.environ else by_hand(stage, name)
    with lock(state_folder() / "locks" / f"{stage}-{competition}", wait=LOCK_WAIT, held=f"{stage} {competition}"):
        config, body = read(competition, stage)
        with clock(competition, stage):
            verify_code(config, competition, stage, body)
            options: Mapping[str, Any] = {"model": model, "again": again} if stage in FITS else {}
            importlib.import_module(f"pipeline.stages.{stage}").run(config, competition, **options)
        hold(competition, stage, body)
    if launched() > 1:
        from pipeline.training.ranks import dismiss

        dismiss()
    warn_of_tracking()


def _follow() -> None:
    """Train along with the process that runs the stage."""
    from pipeline.core.seeds import fix_threads

    fix_threads(1)
    from pipeline.training.ranks import follow

    follow()


def by_hand(stage: str, name: str) -> tuple[str, str | None]:
    """The competition, and the model where the name is one. Raises UserError where what ``check`` wrote is not
    what params.yaml and the code say now."""
    from pipeline.stages.project import load_project
    from pipeline.stages.snapshot import STAGES, read, snapshot

    config = load_project()
    # A model's name does where the stage works on models.
    model = name if STAGES[stage].runs and name not in config.competitions else None
    if model is not None and model not in config.models:
        known = (*config.competitions, *config.models)
        raise UserError(f"params.yaml: no competition and no model '{name}'{did_you_mean(name, known)}")
    competition = config.competition(name).name if model is None else config.models[model].competition
    read(competition, stage)  # says where there is none
    if CompetitionPaths(competition).checked(stage).read_text(encoding="utf-8") != snapshot(config, competition, stage):
        raise UserError(
            f"{stage} {name}: params.yaml or code was edited since it was checked; run `dvc repro check` first"
        )
    return competition, model


def warn_of_tracking() -> None:
    recorded = "pipeline.tracking.outbox" in sys.modules
    if recorded and (os.environ.get("PODIUM_TRACKING") or "on") == "on":
        from pipeline.tracking.background import warn_if_unreachable

        warn_if_unreachable()


def _name_from_dvc(stage: str) -> str:
    """``lines`` where DVC_STAGE is ``train@lines``, or ``../dvc.yaml:train@lines``."""
    address = os.environ.get("DVC_STAGE", "")
    if f"{stage}@" not in address:
        raise UserError(f"{stage}: needs a name from params.yaml, such as `python -m pipeline {stage} NAME`, got none")
    return address.rpartition(f"{stage}@")[2]
