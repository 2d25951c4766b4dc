"""The command line by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_help_is_quick_and_says_what_each_command_is_for():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def told(*arguments: str) -> tuple[str, float]:
        began = time.monotonic()
        command = [sys.executable, "-m", "pipeline", *arguments, "--help"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout, time.monotonic() - began

    assert min(told()[1] for _ in range(3)) < 0.5
    text, _ = told("add")
    for word in ("--from", "--target", "--id", "--metric", "--minutes", "kaggle:SLUG"):
        assert word in text
