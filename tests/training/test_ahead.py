"""What is made ahead comes in order, with its errors, and ends with who asked for it."""

from __future__ import annotations

import threading

import pytest

from pipeline.training.ahead import DEPTH, made_ahead


def alive() -> bool:
    return any(thread.name == "made-ahead" for thread in threading.enumerate())


def test_all_come_in_order_and_are_made_in_another_thread():
    makers = set()

    def make(item: int) -> int:
        makers.add(threading.get_ident())
        return item * item

    assert list(made_ahead(make, range(50))) == [(i, i * i) for i in range(50)]
    assert makers and threading.get_ident() not in makers and not alive()


def test_only_some_are_made_before_they_are_asked_for():
    made, enough = [], threading.Event()

    def make(item: int) -> int:
        made.append(item)
        if len(made) > DEPTH + 1:
            enough.set()
        return item

    ahead = made_ahead(make, range(100))
    assert next(ahead) == (0, 0)
    assert enough.wait(5)
    assert len(made) <= DEPTH + 3
    ahead.close()
    assert not alive()


def test_an_error_comes_where_its_item_would_have():
    ahead = made_ahead(lambda item: 1 // item, [2, 1, 0, 3])
    assert [next(ahead)[1], next(ahead)[1]] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(ahead)
    assert not alive()
