"""Python runs this at its start where the folder is on PYTHONPATH: it notes when a stage began and ended, and what
processor time it and its jobs took, in a line of the file that BENCHMARK_NOTES names."""

import atexit
import json
import os
import resource
import sys
import time
from pathlib import Path


def _began() -> float:
    """When the process began, in seconds since 1970."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    up = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - up + ticks / os.sysconf("SC_CLK_TCK")


def _write(began: float) -> None:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    note = {
        "stage": os.environ["DVC_STAGE"],
        "began": began,
        "ended": time.time(),
        "cpu": sum(one.ru_utime + one.ru_stime for one in used),
    }
    with Path(os.environ["BENCHMARK_NOTES"]).open("a") as stream:
        stream.write(json.dumps(note) + "\n")


if "DVC_STAGE" in os.environ and "BENCHMARK_NOTES" in os.environ and sys.orig_argv[1:3] == ["-m", "pipeline"]:
    atexit.register(_write, _began())
