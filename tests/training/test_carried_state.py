"""Networks whose state is carried along the windows of a row."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from neural import job, learner
from torch import nn

from pipeline.core.registry import settings
from pipeline.core.types import Model
from pipeline.models.layers.network import Network


class Running(Network):
    """Adds up all it has seen of a document: what it answers shows the state it was given."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, batch, state=None):
        total = torch.zeros(len(batch["numbers"])) if state is None else state["total"][0]
        total = torch.where(batch["fresh"], 0.0, total) + batch["numbers"].sum(1)  # [batch]
        return self.scale * total[:, None], {"total": (total,)}


@settings
class RunningModel(Model):
    name: ClassVar[str] = "running"
    tasks: ClassVar[tuple[str, ...]] = ("regression",)
    learner: ClassVar[str] = "neural"

    def build(self, spec, task, seed):
        return Running()


def documents(lengths, seed=0):
    rng = np.random.default_rng(seed)
    examples = sum(lengths)
    row = np.repeat(np.arange(len(lengths)), lengths)
    first = np.r_[True, row[1:] != row[:-1]]
    numbers = rng.normal(size=(examples, 2)).astype(np.float32)
    target = np.zeros((examples, 1), np.float32)
    return {"numbers": numbers, "target": target, "row": row, "first": first}


def test_state_is_carried_along_a_row_and_its_answers_are_summed():
    encoded = documents([3, 1, 5, 2, 1, 4, 7])
    mine = learner(sampling="sequential", batch_size=1, epochs=1, learning_rate=1e-9)
    fitted = mine.fit(job(RunningModel(), train=encoded, valid=encoded))
    expected = [
        encoded["numbers"][encoded["row"] == row].sum(1).cumsum().sum() for row in range(7)
    ]  # each window's answer is the running total; the row's is their sum
    raw = fitted.raw(encoded)
    assert raw.shape == (7, 1)
    np.testing.assert_allclose(raw[:, 0], expected, rtol=1e-5)
    squares = [(encoded["numbers"][encoded["row"] == row].sum(1).cumsum() ** 2).sum() for row in range(7)]
    assert fitted.curves["valid_loss"][0] == pytest.approx(sum(squares) / 23, rel=1e-5)


def test_a_rows_answer_does_not_depend_on_its_neighbours():
    lengths = [3, 1, 5, 2, 1, 4, 7, 2, 2]
    encoded = documents(lengths)
    mine = learner(sampling="sequential", batch_size=1, epochs=1)
    fitted = mine.fit(job(RunningModel(), train=encoded))
    together = fitted.raw(encoded)
    for row in range(len(lengths)):
        chosen = encoded["row"] == row
        alone = {name: array[chosen] for name, array in encoded.items()} | {"row": np.zeros(lengths[row], np.int64)}
        np.testing.assert_array_equal(fitted.raw(alone), together[[row]])


def test_training_carries_the_state_and_resets_it_at_documents():
    given = []

    class Watching(Running):
        def forward(self, batch, state=None):
            if self.training:
                given.append((None if state is None else state["total"][0].requires_grad, batch["fresh"].tolist()))
            return super().forward(batch, state)

    class WatchingModel(RunningModel):
        def build(self, spec, task, seed):
            return Watching()

    learner(sampling="sequential", batch_size=2, epochs=1).fit(job(WatchingModel(), train=documents([3, 2, 3])))
    assert given == [
        (None, [True, True]),
        (False, [False, True]),  # carried, cut off from the last batch's graph
        (False, [False, False]),
        (False, [True, False]),
    ]
