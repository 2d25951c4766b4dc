"""Nodes of a Ray cluster as processes: on this machine, or on a host of its own, made of namespaces."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import free_port
from ray_jobs import SOON

ROOT = Path(__file__).parents[2]
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
PACE = {
    # A node that is gone refuses calls, and is given up after two seconds; one that is slow has ten for each answer.
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "4",
    "RAY_agent_register_timeout_ms": "120000",  # the machine may be busy
    "RAY_worker_register_timeout_seconds": "120",
    "RAY_memory_monitor_refresh_ms": "0",  # others' memory is none of its business
    "RAY_enable_worker_prestart": "0",  # workers begin when there are jobs
    "RAY_prestart_worker_first_driver": "0",
}
STORE = 75 << 20
"""Bytes of each node's object store, the least that Ray takes."""
SPILLED = 128 << 20
"""Bytes of the disk that the head spills to."""


class Hosts:
    """Two: this one, with the head and room for one job, and where it can be made, one that shares nothing with it.

    folder: for what nodes print, and what the head spills. here, there: their addresses. apart: whether there is the
    other one. address: the cluster's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._nodes = folder, []
        self._space, self._link = f"podium-{os.getpid()}", f"pod{os.getpid() % 100000}"
        network = f"10.231.{os.getpid() % 250}"
        self.apart = can_be_made() and all(
            subprocess.run(["ip", *words.split()], check=False, capture_output=True).returncode == 0
            for words in (
                f"netns add {self._space}",
                f"link add {self._link} type veth peer name {self._link}b netns {self._space}",
                f"addr add {network}.1/30 dev {self._link}",
                f"link set {self._link} up",
                f"-n {self._space} addr add {network}.2/30 dev {self._link}b",
                f"-n {self._space} link set {self._link}b up",
                f"-n {self._space} link set lo up",
            )
        )
        self.here, self.there = (f"{network}.1", f"{network}.2") if self.apart else ("127.0.0.1", "")
        port = free_port()
        self.address = f"{self.here}:{port}"
        options = ["--head", f"--node-ip-address={self.here}", f"--port={port}", "--num-cpus=1", "--num-gpus=2"]
        options += ["--memory=2000000000", "--include-dashboard=false", "--no-monitor"]
        before = "true"
        if self.apart:
            spilled = folder / "spilled"
            spilled.mkdir()
            options.append(f"--object-spilling-directory={spilled}")
            before = f"mount -t tmpfs -o size={SPILLED} none {spilled}"
        self._begin(options, ("unshare", "--mount") if self.apart else (), before, CUDA_VISIBLE_DEVICES="0,1")

    def node(self, *options: str, there: bool = False, before: str = "true", **how) -> subprocess.Popen:
        """Begin one more, which ends whole with its process. code: where it finds Podium; others: its environment."""
        space = ("ip", "netns", "exec", self._space) if there else ()
        apart = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc") if can_be_made() else ()
        place = (f"--address={self.address}", f"--node-ip-address={self.there if there else self.here}")
        return self._begin([*place, "--num-gpus=0", *options], (*space, *apart), before, **how)

    def _begin(self, options, around, before, code=ROOT, **environment) -> subprocess.Popen:
        ray = Path(sys.executable).with_name("ray")
        more = f"--object-store-memory={STORE} --include-log-monitor=false --disable-usage-stats --block"
        search = f"{code}:{Path(__file__).parent}:{Path(__file__).parents[1]}"
        with (self.folder / f"node-{len(self._nodes)}.log").open("w") as log:
            node = subprocess.Popen(
                [*around, "sh", "-c", f"{before} && exec {ray} start {' '.join(options)} {more}"],
                env={**os.environ, **QUIET, **PACE, "PYTHONPATH": search, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._nodes.append(node)
        return node

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until it holds; fails with what nodes have printed where it does not soon, or one of them ends."""
        deadline = time.monotonic() + SOON
        while not condition():
            ended = [number for number, node in enumerate(self._nodes) if node.poll() not in (None, -signal.SIGKILL)]
            if ended or time.monotonic() > deadline:
                logs = [f"{log.name}: {log.read_text()[-2000:]}" for log in sorted(self.folder.glob("*.log"))]
                pytest.fail("\n".join([f"ended: {ended}", *logs]))
            time.sleep(0.1)

    def end(self, node: subprocess.Popen) -> None:
        """At once, as a machine that loses its power."""
        if node.poll() is None:
            os.killpg(node.pid, signal.SIGKILL)
            node.wait()

    def close(self) -> None:
        for node in reversed(self._nodes):
            self.end(node)
        if self.apart:
            for words in (("netns", "del", self._space), ("link", "del", self._link)):
                subprocess.run(["ip", *words], check=False, capture_output=True)


def can_be_made() -> bool:
    """Whether this process may make namespaces."""
    if sys.platform != "linux" or os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare"))):
        return False
    return subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False).returncode == 0
