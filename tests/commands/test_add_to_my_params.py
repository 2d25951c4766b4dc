"""``add`` and the params.yaml that a person wrote: what was there stays, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_add import SAMPLE, TEST, TRAIN, add, written

ROOT = Path(__file__).parents[2]

MINE = """\
# Models of mine, in my order.
models:
    # Ridge first
    b-ridge: {competition: b,   features: numbers, model: {name: ridge}}   # two  spaces
    # the end of the models

execution:   {executor: serial}
competitions:
  b:   # from the text book
    source: {name: synthetic, task: linear,
             rows: 60}          # few
    columns:
      {id: id, target: "y"}
    task: {name: regression}
    metric: rmse
    split: {name: shuffled, folds: 3}
    features: &sets
      numbers: {name: tabular}
    blend: greedy
    submission: values
    guessed: {note: >-
      none}
# The last word.
"""


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files").mkdir()
    for name, text in (("train", TRAIN), ("test", TEST), ("sample_submission", SAMPLE)):
        (tmp_path / "files" / f"{name}.csv").write_text(text)
    return tmp_path


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_comments_order_and_line_ends_survive(project, newline):
    mine = MINE.replace("guessed: {note: >-\n      none}", "guessed: {note: none}").replace("\n", newline)
    (project / "params.yaml").write_bytes(mine.encode())
    config = add("toy", "files")
    assert list(config.competitions) == ["b", "toy"] and next(iter(config.models)) == "b-ridge"
    after = (project / "params.yaml").read_bytes().decode()
    assert ("\r\n" in after) == (newline == "\r\n") and "\r" not in after.replace("\r\n", "")
    rest = iter(after.split(newline))
    assert all(line in rest for line in mine.split(newline))  # each line of mine, in order
    lines = after.split(newline)
    assert (
        lines.index("    # the end of the models")
        < lines.index("    toy-lightgbm:")
        < lines.index("execution:   {executor: serial}")
    )


def test_killed_at_any_moment_the_file_is_whole(project):
    """The old text or the new one, and a later run goes through."""
    (project / "params.yaml").write_text(MINE.replace("guessed: {note: >-\n      none}", "guessed: {note: none}"))
    before = (project / "params.yaml").read_text()
    code = (
        "import os, signal, pathlib, sys\n"
        "from pipeline.core import files\n"
        "at = getattr(pathlib.Path, sys.argv[1])\n"
        "def die(self, *rest, **more):\n"
        "    if 'params.yaml' in self.name and '.part' in self.name: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return at(self, *rest, **more)\n"
        "setattr(pathlib.Path, sys.argv[1], die)\n"
        "from pipeline.commands.add import run\n"
        "run('toy', source='files', target=None, id=None, metric=None, minutes=None)\n"
    )
    for moment in ("write_text", "replace"):
        done = subprocess.run(
            [sys.executable, "-c", code, moment], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
        )
        assert done.returncode == -signal.SIGKILL
        assert (project / "params.yaml").read_text() == before
    assert "toy" in add("toy", "files").competitions


def test_two_at_once_both_arrive(project):
    commands = [[sys.executable, "-m", "pipeline", "add", name] for name in ("digits", "emoji-languages")]
    started = [
        subprocess.Popen(c, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE) for c in commands
    ]
    assert [process.wait(60) for process in started] == [0, 0]
    assert set(written(project)["competitions"]) == {"digits", "emoji-languages"}
