"""Stages and commands in this process: quicker than DVC, which does the same for every competition."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import yaml

from pipeline.stages import check
from pipeline.stages.project import load_project
from pipeline.stages.runner import run_stage
from pipeline.stages.snapshot import STAGES


def through(name: str, last: str = "report") -> None:
    """All stages up to the last, in the project at hand."""
    check.write(load_project())
    stages = list(STAGES)
    for stage in stages[: stages.index(last) + 1]:
        run_stage(stage, name)


def trained(root: Path, params: dict, last: str = "retrain") -> Path:
    """The folder of a project of one competition that went through the stages, for all tests of a module."""
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("PODIUM_TRACKING", "off")
        (name,) = params["competitions"]
        through(name, last)
    return root


class Commands:
    """The command line: ``commands("translate", "words", …)`` gives the exit code, what was written, and the lines on
    stderr."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def __call__(self, *arguments: str, stdin: str = "") -> tuple[int, str, list[str]]:
        from pipeline.__main__ import main

        self.monkeypatch.setattr("sys.argv", ["pipeline", *arguments])
        self.monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode("utf-8")), encoding="utf-8"))
        self.monkeypatch.setenv("COLUMNS", "80")
        self.capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as error:
            code = error.code or 0
        told = self.capsys.readouterr()
        return code, told.out, told.err.splitlines()
