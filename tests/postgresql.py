"""A PostgreSQL of the tests' own: its cluster in a folder, its server a child that dies with them."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from projects import free_port

PASSWORD = "it-is-only-here"


@dataclass
class Server:
    """address: ``user:password@host:port`` of its superuser. process: number of its first process."""

    address: str
    process: int
    made: int = 0

    def database(self) -> str:
        """The URL of a new, empty database."""
        import psycopg

        self.made += 1
        name = f"studies_{self.made}"
        with psycopg.connect(f"postgresql://{self.address}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://{self.address}/{name}"


def programs() -> Path:
    """Where its programs are; skips the test where there are none."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not places:
        pytest.skip("needs PostgreSQL's server programs, such as Debian's package postgresql")
    return places[-1]


@contextmanager
def server() -> Iterator[Server]:
    """A server on a free port of this machine. It refuses to run as root, and then runs as nobody."""
    pytest.importorskip("psycopg")
    bin = programs()
    folder = Path(tempfile.mkdtemp(prefix="podium-pg-"))
    other: dict = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        other = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": folder}
    secret, data, port = folder / "password", folder / "data", free_port()
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    making = [bin / "initdb", "-D", data, "-U", "podium", f"--pwfile={secret}", "-A", "scram-sha-256", "--no-sync"]
    subprocess.run([*making, "--no-locale", "-E", "UTF8"], check=True, capture_output=True, **other)
    settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "max_connections": 60}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [bin / "postgres", "-D", data, "-p", str(port), *options],
        stdout=log,
        stderr=log,
        preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGINT) if os.uname().sysname == "Linux" else None,
        **other,
    )
    try:
        address = f"podium:{PASSWORD}@127.0.0.1:{port}"
        _wait(address, process)
        yield Server(address, process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(address: str, process: subprocess.Popen) -> None:
    import psycopg

    ends = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < ends:
        try:
            psycopg.connect(f"postgresql://{address}/postgres").close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    pytest.fail("PostgreSQL did not start")
