from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from pipeline.core.types import Column, FitJob, Schema  # noqa: E402
from pipeline.features import features  # noqa: E402
from pipeline.models import models  # noqa: E402
from pipeline.models.layers.network import Network  # noqa: E402
from pipeline.tasks import tasks  # noqa: E402
from pipeline.training import learners  # noqa: E402
from pipeline.training.examples import Examples  # noqa: E402

TASK = tasks.build("language_model", "t")
SCHEMA = Schema(id=None, target="characters", columns=(Column("text", "text"),))
TEXTS = ["abc" * 40, "", "cab", "the cat sat on the mat", "b" * 17]


def encoded(texts: list[str], steps: int = 8):
    rows = pd.DataFrame({"text": pd.Series(texts, dtype="str"), "characters": [float(len(text)) for text in texts]})
    encoder = features.build({"name": "characters", "column": "text", "steps": steps}, "f").fit(rows, SCHEMA, 0)
    return encoder.encode(rows), replace(encoder.spec, outputs=TASK.outputs(SCHEMA, encoder.spec))


CRITERION = torch.nn.CrossEntropyLoss(reduction="none")


def shown(inputs) -> Examples:
    return Examples(inputs, torch.device("cpu"))


GRU = models.build({"name": "gru_language_model", "hidden": 32, "embedding": 16, "dropout": 0.0}, "m")


def fitted(texts: list[str], valid=None, model=GRU, **settings):
    inputs, spec = encoded(texts)
    options = {"epochs": 1, "batch_size": 4, "sampling": "sequential", "learning_rate": 1e-2, **settings}
    learner = learners.get("neural")(**options)
    return learner.fit(FitJob(model=model, task=TASK, spec=spec, train=inputs, valid=valid, seed=0)), inputs, spec


class Uniform(Network):
    """Every token as probable as any other."""

    def __init__(self, tokens: int):
        super().__init__()
        self.tokens = tokens

    def forward(self, batch, state=None):
        return torch.zeros(*batch["tokens"].shape, self.tokens), state


class Frequencies(Network):
    """Each token more probable than the one before it, whatever came before."""

    def __init__(self, tokens: int):
        super().__init__()
        self.scores = torch.nn.Parameter(2 * torch.arange(float(tokens)))

    def forward(self, batch, state=None):
        return self.scores.expand(*batch["tokens"].shape, -1), None


class FrequencyModel:
    def build(self, spec, task, seed):
        return Frequencies(spec.outputs)


def test_a_uniform_models_answer_is_length_times_log_of_the_vocabulary():
    inputs, spec = encoded(TEXTS)
    batch = {name: torch.from_numpy(values) for name, values in inputs.items()}
    scores, _ = Uniform(spec.outputs)(batch)
    nats = TASK.answer(scores, batch)
    per_row = np.bincount(inputs["row"], weights=nats.numpy())
    np.testing.assert_allclose(per_row, [len(text) * math.log(spec.outputs) for text in TEXTS], rtol=1e-6)
    total, weight = TASK.loss(scores, batch, torch.nn.CrossEntropyLoss(reduction="none"))
    assert int(weight) == sum(map(len, TEXTS))
    assert float(total) == pytest.approx(int(weight) * math.log(spec.outputs))


def test_a_batch_of_nothing_but_padding_weighs_nothing():
    scores = torch.randn(2, 3, 5, requires_grad=True)
    batch = {"labels": torch.zeros(2, 3, dtype=torch.int64), "mask": torch.zeros(2, 3, dtype=torch.bool)}
    total, weight = TASK.loss(scores, batch, torch.nn.CrossEntropyLoss(reduction="none"))
    total.backward()
    assert (total.item(), int(weight)) == (0, 0) and (scores.grad == 0).all()


def test_minibatches_of_nothing_but_padding_teach_nothing_and_count_for_nothing():
    texts = ["", "abcabcab", ""]  # a window each, and so with batch_size 1 a minibatch each
    options = {"batch_size": 1, "optimizer": "sgd", "learning_rate": 0.1}
    with_empty, *_ = fitted(texts, **options)
    alone, *_ = fitted(["abcabcab"], **options)
    for mine, theirs in zip(with_empty.network.parameters(), alone.network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)
    assert with_empty.curves["train_loss"] == pytest.approx(alone.curves["train_loss"])
    empty, _ = encoded(["", ""])
    assert with_empty.validate(shown(empty), CRITERION, answered=True)[0] == 0.0


@pytest.mark.parametrize("batch_size", [1, 2, 3, 50])
def test_the_validation_loss_is_nats_a_token_whatever_the_minibatches(batch_size):
    # Documents of few tokens beside long ones: windows that are full, and nearly empty.
    texts = ["abc" * 40, "", "c", "the cat sat on the mat", "b" * 9, "a"]
    inputs, _ = encoded(texts)
    model, _, _ = fitted(texts, batch_size=batch_size, valid=inputs, epochs=3)
    expected = model.raw(inputs).sum() / sum(map(len, texts))
    assert model.curves["valid_loss"][-1] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 6])
def test_the_training_loss_of_an_epoch_is_nats_a_token(batch_size):
    texts = ["abc" * 40, "c", "c", "c"]  # 15 full windows, and three of one rare token
    model, inputs, _ = fitted(texts, model=FrequencyModel(), batch_size=batch_size, learning_rate=1e-12)
    expected = model.raw(inputs).sum() / sum(map(len, texts))
    assert model.curves["train_loss"][0] == pytest.approx(expected, rel=1e-5)


def test_a_row_is_answered_the_same_alone_as_among_others_and_in_windows_as_whole():
    model, inputs, _spec = fitted(TEXTS)
    together = model.raw(inputs)
    for i, text in enumerate(TEXTS):
        mine = {name: values[inputs["row"] == i] for name, values in inputs.items()}
        mine["row"] = np.zeros_like(mine["row"])
        np.testing.assert_allclose(model.raw(mine), together[i : i + 1], rtol=1e-5)
        # The whole text in one window, straight through the network.
        labels = torch.from_numpy(mine["labels"][mine["mask"]])
        tokens = torch.from_numpy(mine["tokens"][mine["mask"]])
        if len(text):
            scores = model.network({"tokens": tokens[None]})[0][0]
            nats = torch.nn.functional.cross_entropy(scores, labels, reduction="sum")
            assert together[i] == pytest.approx(nats.item(), rel=1e-5)


def test_it_learns_what_repeats():
    model, inputs, spec = fitted(["abc" * 40, "bca" * 30, "cab" * 50], epochs=30)
    nats = TASK.predictions(model.raw(inputs), TASK.fit_target(None, SCHEMA), spec)["prediction"]
    assert math.exp(nats.sum() / 360) < 1.3  # 3 with the letters' frequencies alone


def test_predictions_and_their_average():
    target = TASK.fit_target(None, SCHEMA)
    assert target.encode(pd.Series([1.0])) is None
    assert TASK.restore_target(target.state(), SCHEMA) == target
    frames = [TASK.predictions(np.array(values, dtype=np.float32), target, None) for values in ([1, 2], [3, 6])]
    assert TASK.average(frames, [0.25, 0.75], target)["prediction"].tolist() == [2.5, 5.0]
