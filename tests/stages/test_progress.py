"""Progress bars: fractions of jobs, plain lines where nobody watches, silence on demand."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable

import pytest

from pipeline.stages import progress
from pipeline.stages.progress import progress_callback


@pytest.fixture
def lines(monkeypatch, capsys) -> Callable[[], list[str]]:
    """What was written, where stderr is no terminal and no line is too early."""
    monkeypatch.setattr(progress, "QUIET_SECONDS", -1.0)
    return lambda: capsys.readouterr().err.splitlines()


def test_a_plain_line_tells_fractions(lines):
    with progress_callback(3, "shops: folds") as advance:
        for done in (0.5, 2, 2.94):
            advance(done)
    assert lines() == ["shops: folds 0.5/3", "shops: folds 2/3", "shops: folds 2.9/3"]


def test_a_line_comes_now_and_then(lines, monkeypatch):
    monkeypatch.setattr(progress, "QUIET_SECONDS", 60.0)
    with progress_callback(3, "shops: folds") as advance:
        advance(1)
    assert lines() == []


def test_off_silences_lines(lines, monkeypatch):
    monkeypatch.setenv("PODIUM_PROGRESS", "off")
    with progress_callback(3, "shops: folds") as advance:
        advance(1)
    assert lines() == []


CODE = """
import time
from pipeline.stages.progress import progress_callback
with progress_callback({total}, "shops: work") as advance:
    if {total}:
        advance(1.5)
    time.sleep(0.3)
"""


@pytest.mark.parametrize(
    ("total", "setting", "shown"), [(4, "on", "1.5/4"), (None, "on", "shops: work"), (4, "off", "")]
)
def test_on_a_terminal_a_bar_is_drawn_or_nothing(total, setting, shown):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PODIUM_PROGRESS": setting, "TERM": "xterm", "COLUMNS": "100"}
    code = [sys.executable, "-c", CODE.format(total=total)]
    done = subprocess.run(code, stderr=theirs, env=environment, check=True, timeout=60)
    os.set_blocking(ours, False)
    try:
        text = os.read(ours, 1 << 16).decode()
    except BlockingIOError:
        text = ""
    assert done.returncode == 0
    assert shown in text
    assert bool(text) == (setting == "on")
