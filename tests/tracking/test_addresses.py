"""Addresses that are none, stores that are away, and one that another machine writes to at that moment."""

from __future__ import annotations

import time

import pytest
from test_sender import check_the_stage, draw, record_a_stage

from pipeline.core.errors import UserError
from pipeline.tracking.delivery import Delivery
from pipeline.tracking.sender import deliver_waiting
from pipeline.tracking.store import connect


@pytest.mark.parametrize("address", ["127.0.0.1:five", "[::1", "a..b:5000", "me:ab/cd@host:5000"])
def test_what_is_no_address_is_told_and_keeps_the_records(tracked, monkeypatch, address):
    record_a_stage()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{address}")
    with pytest.raises(UserError, match=r"\d+ records are kept in .podium/outbox") as told:
        deliver_waiting(draw, wait=0)
    assert "ab/cd" not in str(told.value)


def test_a_database_that_is_away_is_told_at_once(tracked, monkeypatch):
    record_a_stage()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql+psycopg://u:a/b@127.0.0.1:9/runs")
    began = time.monotonic()
    with pytest.raises(UserError, match=r"postgresql\+psycopg://\[redacted\]@127.0.0.1:9/runs does not answer \(Conn"):
        deliver_waiting(draw, wait=0)
    assert time.monotonic() - began < 10


class Beaten:
    """The store's real client, before whom somebody else makes the experiment."""

    def __init__(self, client):
        self.client = client

    def __getattr__(self, name: str):
        return getattr(self.client, name)

    def create_experiment(self, name: str, *rest, **options):
        self.client.create_experiment(name)
        return self.client.create_experiment(name, *rest, **options)


def test_an_experiment_that_another_machine_makes_at_that_moment_takes_the_runs(stored):
    client = connect()
    record_a_stage()
    (path,) = stored.journals()
    delivery = Delivery(Beaten(client), path, draw)
    delivery.advance()
    assert delivery.refused == []
    check_the_stage(stored)
