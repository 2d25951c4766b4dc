"""What a process holds open, and the children it forks."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from pipeline.core.errors import UserError
from pipeline.core.files import lock
from pipeline.core.process import close_in_children


@pytest.fixture
def forked() -> Iterator[Callable[[], int]]:
    """Forks a child that does nothing and lives until the test's end."""
    children = []

    def fork() -> int:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, b"begun")
            time.sleep(60)
            os._exit(0)
        children.append(child)
        os.read(reading, 5)
        os.close(reading)
        os.close(writing)
        return child

    yield fork
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def is_free(path) -> bool:
    try:
        with lock(path, wait=0, held="it"):
            return True
    except UserError:
        return False


def test_a_lock_let_go_is_free_although_a_child_forked_meanwhile_lives(tmp_path, forked):
    path = tmp_path / "lock"
    with lock(path, wait=0, held="it"):
        child = forked()
        assert not is_free(path)  # the child let go of its part alone
    assert is_free(path)
    os.kill(child, 0)


def test_what_a_child_opens_itself_stays_open_in_it(tmp_path):
    reading, writing = os.pipe()
    with (tmp_path / "parents").open("w") as parents:
        close_in_children(parents)
        if (child := os.fork()) == 0:
            with lock(tmp_path / "lock", wait=0, held="it"):
                os.write(writing, b"closed" if parents.closed and not is_free(tmp_path / "lock") else b"open")
            os._exit(0)
        assert os.read(reading, 10) == b"closed"
        os.waitpid(child, 0)
        assert not parents.closed
    os.close(reading)
    os.close(writing)
