"""A project of one small competition, whose files and settings a test spoils."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from pipeline.__main__ import main
from pipeline.core.errors import UserError
from pipeline.stages import check
from pipeline.stages.project import load_project
from pipeline.stages.snapshot import STAGES

ROOT = Path(__file__).parents[1]


TRAIN = "id,colour,size,y\n" + "".join(
    f"{i},{'red' if i % 3 else 'blue'},{i * 7 % 11},{i * 5 % 13 + 1}\n" for i in range(30)
)


TEST = "id,colour,size\n" + "".join(f"{i},red,{i % 5}\n" for i in range(30, 40))


SAMPLE = "id,y\n" + "".join(f"{i},1\n" for i in range(30, 40))


class Bench:
    """A project of one competition whose files lie in ``files/``."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
        self.root, self.capsys, self.monkeypatch = root, capsys, monkeypatch
        self.files = {"train.csv": TRAIN, "test.csv": TEST, "sample_submission.csv": SAMPLE}
        self.competition = {
            "source": {"name": "files", "path": "files"},
            "columns": {"id": "id", "target": "y"},
            "task": {"name": "regression"},
            "metric": "rmse",
            "split": {"name": "shuffled", "folds": 3},
            "features": {"numbers": {"name": "tabular"}},
            "blend": "greedy",
            "submission": "values",
        }
        self.model = {"competition": "toy", "features": "numbers", "model": {"name": "ridge"}}

    def write(self, **more: dict) -> None:
        """more: models beside the ridge, by name."""
        (self.root / "files").mkdir()
        for name, content in self.files.items():
            if content is not None:
                data = content if isinstance(content, bytes) else content.encode()
                (self.root / "files" / name).write_bytes(data)
        params = {
            "execution": {"executor": "serial"},  # forks of a process that holds every library take longer than fits
            "competitions": {"toy": self.competition},
            "models": {"toy-ridge": self.model, **{f"toy-{name}": body for name, body in more.items()}},
        }
        (self.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    def run(self, *arguments: str) -> tuple[int, list[str]]:
        """Exit code, and the lines on stderr."""
        if arguments[0] in STAGES:
            with suppress(UserError):  # which the stage itself is to tell
                check.write(load_project())
        self.monkeypatch.setattr(sys, "argv", ["pipeline", *arguments])
        self.capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as error:
            code = error.code or 0
        return code, self.capsys.readouterr().err.splitlines()

    def through(self, *stages: str) -> list[str]:
        """These stages, or all, which must go well; the lines on stderr."""
        said = []
        for stage in stages or STAGES:
            code, lines = self.run(stage, "toy")
            assert code == 0, (stage, lines)
            said += lines
        return said

    def written(self) -> set[str]:
        """What lies under data/toy, hidden leftovers included."""
        return {path.name for path in (self.root / "data" / "toy").glob("*")}

    def fails(self, stage: str, words: list[str], before: set[str]) -> str:
        """The stage's only line on stderr, an error with these words; data/toy is as before."""
        code, lines = self.run(stage, "toy-ridge" if stage == "train" else "toy")
        assert code == 2 and len(lines) == 1 and lines[0].startswith("error: "), lines
        assert all(word in lines[0] for word in words), lines[0]
        assert str(self.root) not in lines[0]
        assert self.written() == before
        return lines[0]


def changed(row: int, column: int, value: str, table: str = TRAIN) -> str:
    """The table with one value replaced; the header is row 1."""
    lines = [line.split(",") for line in table.splitlines()]
    lines[row - 1][column] = value
    return "".join(",".join(line) + "\n" for line in lines)


def with_column(table: str, value: str, name: str) -> str:
    first, *rest = table.splitlines()
    return "".join(f"{line}\n" for line in [f"{first},{name}", *(f"{line},{value}" for line in rest)])


def without_column(table: str, column: int) -> str:
    return "".join(
        ",".join(value for i, value in enumerate(line.split(",")) if i != column) + "\n" for line in table.splitlines()
    )
