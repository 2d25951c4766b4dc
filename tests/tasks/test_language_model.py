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
from pipeline.tasks import tasks  # noqa: E402
from pipeline.training import learners  # noqa: E402

TASK = tasks.build("language_model", "t")
SCHEMA = Schema(id=None, target="characters", columns=(Column("text", "text"),))
TEXTS = ["abc" * 40, "", "cab", "the cat sat on the mat", "b" * 17]


def encoded(texts: list[str], steps: int = 8):
    rows = pd.DataFrame({"text": pd.Series(texts, dtype="str"), "characters": [float(len(text)) for text in texts]})
    encoder = features.build({"name": "characters", "column": "text", "steps": steps}, "f").fit(rows, SCHEMA, 0)
    return encoder.encode(rows), replace(encoder.spec, outputs=TASK.outputs(SCHEMA, encoder.spec))


def fitted(texts: list[str], **settings):
    inputs, spec = encoded(texts)
    options = {"epochs": 1, "batch_size": 4, "sampling": "sequential", "learning_rate": 1e-2, **settings}
    model = models.build({"name": "gru_language_model", "hidden": 32, "embedding": 16, "dropout": 0.0}, "m")
    learner = learners.get("neural")(**options)
    return learner.fit(FitJob(model=model, task=TASK, spec=spec, train=inputs, valid=None, seed=0)), inputs, spec


class Uniform(torch.nn.Module):
    """Every token as probable as any other."""

    def __init__(self, tokens: int):
        super().__init__()
        self.tokens = tokens

    def forward(self, batch, state=None):
        return torch.zeros(*batch["tokens"].shape, self.tokens), state


def test_a_uniform_models_answer_is_length_times_log_of_the_vocabulary():
    inputs, spec = encoded(TEXTS)
    batch = {name: torch.from_numpy(values) for name, values in inputs.items()}
    nats, _ = TASK.answer(Uniform(spec.outputs), batch, None)
    per_row = np.bincount(inputs["row"], weights=nats.numpy())
    np.testing.assert_allclose(per_row, [len(text) * math.log(spec.outputs) for text in TEXTS], rtol=1e-6)
    loss = TASK.loss(Uniform(spec.outputs)(batch)[0], batch, torch.nn.CrossEntropyLoss(reduction="none"))
    assert float(loss) == pytest.approx(math.log(spec.outputs))


def test_a_batch_of_nothing_but_padding_has_no_loss():
    scores = torch.randn(2, 3, 5, requires_grad=True)
    batch = {"labels": torch.zeros(2, 3, dtype=torch.int64), "mask": torch.zeros(2, 3, dtype=torch.bool)}
    loss = TASK.loss(scores, batch, torch.nn.CrossEntropyLoss(reduction="none"))
    loss.backward()
    assert loss.item() == 0 and (scores.grad == 0).all()


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
