"""Networks whose state is carried along the windows of a text."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from neural import job, learner
from torch import nn

from pipeline.core.ragged import Ragged
from pipeline.core.registry import settings
from pipeline.core.types import Model
from pipeline.models.layers.network import Network
from pipeline.tasks import tasks

TASK = tasks.build("language_model", "task")
TOKENS = 9


class Running(Network):
    """Scores a token by how often it came in the text so far: what it answers shows the state it was given."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, batch, state=None):
        seen = nn.functional.one_hot(batch["tokens"], TOKENS).float().cumsum(1)  # [lanes, steps, tokens]
        before = torch.zeros(len(seen), TOKENS) if state is None else state["seen"][0] * ~batch["fresh"][:, None]
        seen = seen + before[:, None]
        return self.scale * seen, {"seen": (seen[:, -1],)}


@settings
class RunningModel(Model):
    name: ClassVar[str] = "running"
    tasks: ClassVar[tuple[str, ...]] = ("language_model",)
    learner: ClassVar[str] = "neural"

    def build(self, spec, task, seed):
        return Running()


def documents(lengths, seed=0):
    rng = np.random.default_rng(seed)
    columns = [Ragged.from_lists([rng.integers(1, TOKENS, length).tolist() for length in lengths]) for _ in range(2)]
    return dict(zip(("tokens", "labels"), columns, strict=True))


def expected(encoded, lengths, joined=False):
    """Log-probabilities of all labels, text by text, by hand."""
    found, seen = [], np.zeros(TOKENS)
    for row in range(len(lengths)):
        seen = seen if joined else np.zeros(TOKENS)
        for token, label in zip(encoded["tokens"].row(row), encoded["labels"].row(row), strict=True):
            seen = seen + (np.arange(TOKENS) == token)
            found.append(seen[label] - np.log(np.exp(seen).sum()))
    return found


LENGTHS = [3, 1, 5, 2, 1, 40, 7]


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("steps", [2, 64])
def test_state_is_carried_along_a_text_and_every_token_is_answered(joined, steps):
    encoded = documents(LENGTHS)
    sampling = {"name": "sequential", "steps": steps, "joined": joined}
    mine = learner(sampling=sampling, batch_size=1, epochs=1, learning_rate=1e-12)
    fitted = mine.fit(job(RunningModel(), task=TASK, train=encoded, valid=encoded))
    raw = fitted.raw(encoded)
    assert raw.lengths.tolist() == LENGTHS
    if joined and steps == 2:  # lanes that begin amid the stream know less of what came before them
        assert len(raw.values) == sum(LENGTHS)
        return
    np.testing.assert_allclose(raw.values, expected(encoded, LENGTHS, joined), rtol=1e-4, atol=1e-5)
    assert fitted.curves["valid_loss"][0] == pytest.approx(-np.mean(expected(encoded, LENGTHS, joined)), rel=1e-5)


def test_a_texts_answer_does_not_depend_on_its_neighbours():
    encoded = documents(LENGTHS)
    fitted = learner(sampling={"name": "sequential", "steps": 2}, batch_size=1, epochs=1).fit(
        job(RunningModel(), task=TASK, train=encoded)
    )
    together = fitted.raw(encoded)
    for row in range(len(LENGTHS)):
        alone = {name: column.take([row]) for name, column in encoded.items()}
        np.testing.assert_array_equal(fitted.raw(alone).row(0), together.row(row))


def test_training_carries_the_state_and_resets_it_at_texts():
    given = []

    class Watching(Running):
        def forward(self, batch, state=None):
            if self.training:
                given.append((None if state is None else state["seen"][0].requires_grad, batch["fresh"].tolist()))
            return super().forward(batch, state)

    class WatchingModel(RunningModel):
        def build(self, spec, task, seed):
            return Watching()

    mine = learner(sampling={"name": "sequential", "steps": 2}, batch_size=1, epochs=1)
    mine.fit(job(WatchingModel(), task=TASK, train=documents([6, 6])))
    assert given == [
        (None, [True]),
        (False, [False]),  # carried, cut off from the last batch's graph
        (False, [False]),
        (None, [True]),
        (False, [False]),
        (False, [False]),
    ]
