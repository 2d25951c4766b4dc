"""What a language model writes while it learns."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from neural import learner  # noqa: E402

from pipeline.core.types import Column, FitJob, Schema  # noqa: E402
from pipeline.features import features  # noqa: E402
from pipeline.models import models  # noqa: E402
from pipeline.tasks import tasks  # noqa: E402
from pipeline.training import samples  # noqa: E402

TASK = tasks.build("language_model", "t")
SCHEMA = Schema(id=None, target="characters", columns=(Column("text", "text"),))
ROWS = pd.DataFrame({"text": pd.Series(["we see the fig.", "I eat the egg."] * 8, dtype="str")})
ENCODER = features.build(
    {"name": "next_tokens", "column": "text", "tokenizer": {"name": "characters"}}, "f"
).fit(ROWS, SCHEMA, 0)  # fmt: skip


@pytest.fixture(autouse=True)
def seen(monkeypatch):
    monkeypatch.setenv("PODIUM_TRACKING", "later")


def fitted(watch=lambda epoch, fitted: None, epochs=3):
    model = models.build({"name": "recurrent_language_model", "hidden": 16, "embedding": 8, "dropout": 0.2}, "m")
    spec = replace(ENCODER.spec, outputs=ENCODER.spec.sizes["tokens"])
    train = ENCODER.encode(ROWS)
    job = FitJob(model=model, task=TASK, spec=spec, train=train, valid=train, seed=0, watch=watch)
    mine = learner(epochs=epochs, batch_size=4, learning_rate=0.02, sampling={"name": "sequential", "steps": 8})
    return mine.fit(job).raw(train).values.tobytes()


def test_they_are_text_of_its_own_epoch_by_epoch_and_change_nothing(monkeypatch):
    monkeypatch.setattr(samples, "SHARE", 1e9)
    taken = samples.Samples(TASK, ENCODER, joined=True)
    assert fitted(taken.take) == fitted()
    parts = taken.text.split("--- epoch ")[1:]
    assert [part.split("\n")[0] for part in parts] == ["1", "2", "3"]
    assert all(part.count("\n") >= 2 for part in parts) and len({part[2:] for part in parts}) == 3
    assert set("".join(part[2:] for part in parts)) <= set("".join(ROWS["text"]) + "\n")
    row = samples.Samples(TASK, ENCODER, joined=False)
    fitted(row.take, epochs=1)
    assert row.text.count("\n") == 2  # a row's end is its end


def test_they_take_a_hundredth_of_the_time_at_most(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(samples.time, "monotonic", lambda: clock.now)
    taken = samples.Samples(TASK, ENCODER, joined=False)
    asked = []

    def write(fitted, encoder, joined):
        asked.append(clock.now)
        clock.now += 0.5
        return "abc"

    monkeypatch.setattr(type(TASK), "sample", lambda self, *given: write(*given))
    for epoch in range(1, 201):
        clock.now += 1
        taken.take(epoch, None)
    assert asked[0] == 10 and len(asked) == 1 + int((clock.now - asked[0]) / 50.5)
    assert taken.text.startswith("--- epoch 10\nabc\n--- epoch 60\nabc\n")


@pytest.mark.parametrize("name", ["PODIUM_SAMPLES", "PODIUM_TRACKING"])
def test_nobody_writes_where_nobody_is_to_see_it(monkeypatch, name):
    monkeypatch.setattr(samples, "SHARE", 1e9)
    monkeypatch.setenv(name, "off")
    taken = samples.Samples(TASK, ENCODER, joined=False)
    taken.take(1, None)  # which would fail
    assert taken.text == ""
