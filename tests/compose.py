"""``docs/deploy/compose.yaml`` as Compose reads it, and its service ``mlflow`` on this machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import yaml
from projects import ROOT, free_port

FILE = ROOT / "docs" / "deploy" / "compose.yaml"
NAMED = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def declared(settings: Mapping[str, str]) -> dict[str, Any]:
    """The file with these settings; KeyError for one that it demands and they lack."""
    return _filled(yaml.safe_load(FILE.read_text()), settings)


def names(demanded: bool = False) -> set[str]:
    """Of the settings in it; or of those without which Compose starts nothing."""
    return {name for name, sign, _ in NAMED.findall(FILE.read_text()) if sign == "?" or not demanded}


def _filled(value: Any, settings: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one, settings) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, settings) for one in value]
    if not isinstance(value, str):
        return value

    def found(match: re.Match) -> str:
        name, sign, default = match.groups()
        return settings.get(name) or default if sign == "-" else settings[name]

    return NAMED.sub(found, value)


def answers(address: str) -> bool:
    """Whether a server of MLflow lives there."""
    try:
        with build_opener(ProxyHandler({})).open(f"{address}/health", timeout=2):
            return True
    except (URLError, OSError):
        return False


def wait_until(condition: Callable[[], Any], seconds: float = 90.0) -> Any:
    """The condition's first true value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value


class Server:
    """The service ``mlflow`` of the file: its command, environment and configuration, on a free port of loopback.

    settings: as ``.env`` has them; those that name its address are known here. moved: patterns, and what stands in
    their place on this machine.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str], moved: Mapping[str, str]):
        self.folder, self.port = folder, free_port()
        self.settings = {**settings, "ALLOWED_HOSTS": f"127.0.0.1:{self.port}", "ALLOWED_ORIGINS": self.address}
        self.moved = {"^--host=.*": "--host=127.0.0.1", "^--port=.*": f"--port={self.port}", **moved}
        self.process: subprocess.Popen | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def uri(self) -> str:
        """With a user and a password."""
        return f"http://admin:{self.settings['ADMIN_PASSWORD']}@127.0.0.1:{self.port}"

    def start(self) -> None:
        file = declared(self.settings)
        service = file["services"]["mlflow"]
        (self.folder / "auth.ini").write_text(self._here(file["configs"]["auth"]["content"]))
        environment = {name: self._here(value) for name, value in service["environment"].items()}
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *map(self._here, service["command"])],
                cwd=self.folder,
                env={**os.environ, **environment, "MLFLOW_AUTH_CONFIG_PATH": str(self.folder / "auth.ini")},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(lambda: answers(self.address) or self.process.poll() is not None)
        assert self.process.poll() is None, (self.folder / "log").read_text()

    def _here(self, text: str) -> str:
        for pattern, place in self.moved.items():
            text = re.sub(pattern, place, text, flags=re.MULTILINE)
        return text

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)  # its workers too
            self.process.wait()
            self.process = None
