from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from pipeline.core.ragged import Ragged  # noqa: E402
from pipeline.core.types import Column, FitJob, Schema  # noqa: E402
from pipeline.features import features  # noqa: E402
from pipeline.metrics import metrics  # noqa: E402
from pipeline.models import models  # noqa: E402
from pipeline.models.layers.network import Network  # noqa: E402
from pipeline.tasks import tasks  # noqa: E402
from pipeline.tasks.language_model import LOGS  # noqa: E402
from pipeline.training import learners  # noqa: E402

TASK = tasks.build("language_model", "t")
SCHEMA = Schema(id=None, target="tokens", columns=(Column("text", "text"),))
TEXTS = ["abc" * 40, "", "cab", "the cat sat on the mat", "b" * 17]
TARGET = TASK.fit_target(None, SCHEMA)


def encoded(texts: list[str]):
    rows = pd.DataFrame({"text": pd.Series(texts, dtype="str"), "tokens": [len(text) + 1.0 for text in texts]})
    body = {"name": "next_tokens", "column": "text", "tokenizer": {"name": "characters"}}
    encoder = features.build(body, "f").fit(rows, SCHEMA, 0)
    return encoder.encode(rows), replace(encoder.spec, outputs=TASK.outputs(SCHEMA, encoder.spec))


GRU = models.build(
    {"name": "recurrent_language_model", "cell": "gru", "hidden": 32, "embedding": 16, "dropout": 0.0}, "m"
)
TRANSFORMER = models.build({"name": "transformer_language_model", "width": 16, "layers": 2, "heads": 2}, "m")


def fitted(texts: list[str], valid=None, model=GRU, **settings):
    inputs, spec = encoded(texts)
    options = {
        "epochs": 1,
        "batch_size": 4,
        "sampling": {"name": "sequential", "steps": 8},
        "learning_rate": 1e-2,
        **settings,
    }
    learner = learners.get("neural")
    from pipeline.core.registry import build_settings

    built = build_settings(learner, options, "fit")
    return built.fit(FitJob(model=model, task=TASK, spec=spec, train=inputs, valid=valid, seed=0)), inputs, spec


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


class Uniform(FrequencyModel):
    def build(self, spec, task, seed):
        network = Frequencies(spec.outputs)
        torch.nn.init.zeros_(network.scores)
        return network


def perplexity(predictions, texts):
    return metrics.build("perplexity", "m").score(pd.Series([len(text) + 1.0 for text in texts]), predictions)


def test_the_uniform_models_perplexity_is_the_vocabularys_size_and_the_perfect_ones_is_1():
    model, inputs, spec = fitted(TEXTS, model=Uniform(), learning_rate=1e-30)
    predictions = TASK.predictions(model.raw(inputs), TARGET, spec)
    assert perplexity(predictions, TEXTS) == pytest.approx(spec.outputs, rel=1e-6)
    assert predictions[LOGS].map(len).tolist() == [len(text) + 1 for text in TEXTS]
    perfect = Ragged(np.zeros(9, np.float32), np.array([0, 4]), np.array([4, 9]))
    assert perplexity(TASK.predictions(perfect, TARGET, spec), ["abc", "abcd"]) == 1


@pytest.mark.parametrize("model", [GRU, TRANSFORMER])
def test_a_trained_models_perplexity_is_below_the_vocabularys_size(model):
    fit, inputs, spec = fitted(TEXTS, model=model, epochs=3)
    assert perplexity(TASK.predictions(fit.raw(inputs), TARGET, spec), TEXTS) < spec.outputs / 2


def test_a_batch_of_nothing_but_padding_weighs_nothing():
    scores = torch.randn(2, 3, 5, requires_grad=True)
    total, weight = TASK.loss(scores, {"labels": torch.zeros(2, 3, dtype=torch.int64)}, CRITERION)
    total.backward()
    assert (total.item(), int(weight)) == (0, 0) and (scores.grad == 0).all()


CRITERION = torch.nn.CrossEntropyLoss(reduction="none")


@pytest.mark.parametrize("batch_size", [1, 2, 3, 50])
def test_losses_are_nats_a_token_whatever_the_minibatches(batch_size):
    # Texts of few tokens beside long ones: windows that are full, and nearly empty.
    texts = ["abc" * 40, "", "c", "the cat sat on the mat", "b" * 9, "a"]
    inputs, _ = encoded(texts)
    model, _, _ = fitted(texts, batch_size=batch_size, valid=inputs, epochs=3)
    raw = model.raw(inputs)
    assert model.curves["valid_loss"][-1] == pytest.approx(-raw.values.mean(), rel=1e-5)


def test_the_training_loss_of_an_epoch_is_nats_a_token():
    texts = ["abc" * 21, "cc", "cc", "cc"]
    model, inputs, _ = fitted(texts, model=FrequencyModel(), batch_size=1, learning_rate=1e-12)
    assert model.curves["train_loss"][0] == pytest.approx(-model.raw(inputs).values.mean(), rel=1e-5)


@pytest.mark.parametrize("steps", [4, 200])
@pytest.mark.parametrize("model", [GRU, TRANSFORMER])
def test_a_text_is_answered_the_same_alone_as_among_others_and_straight_through_the_network(model, steps):
    sampling = {"name": "sequential", "steps": steps} if model is GRU else {"name": "random", "steps": 200}
    fit, inputs, _ = fitted(TEXTS, model=model, sampling=sampling)
    together = fit.raw(inputs)
    for i in range(len(TEXTS)):
        mine = {name: column.take([i]) for name, column in inputs.items()}
        np.testing.assert_allclose(fit.raw(mine).values, together.row(i), rtol=1e-4, atol=1e-5)
        tokens, labels = (torch.from_numpy(mine[name].row(0).astype(np.int64)) for name in ("tokens", "labels"))
        scores = fit.network({"tokens": tokens[None]})[0][0]
        np.testing.assert_allclose(together.row(i), -CRITERION(scores, labels).detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sampling", ["random", "sequential", "shuffled", {"name": "sequential", "joined": True}])
def test_it_learns_what_repeats(sampling):
    texts = ["abc" * 40, "bca" * 30, "cab" * 50]
    model, inputs, spec = fitted(texts, epochs=30, sampling=sampling)
    # 3 with the letters' frequencies alone; each text's first letter and end cannot be known
    assert perplexity(TASK.predictions(model.raw(inputs), TARGET, spec), texts) < 1.4


def test_rows_that_weigh_more_are_learned_more():
    texts = ["ab" * 30, "ba" * 30]
    inputs, spec = encoded(texts)
    from pipeline.core.registry import build_settings

    found = []
    for weights in ([1.8, 0.2], [0.2, 1.8]):
        train = {**inputs, "row_weight": np.array(weights, np.float32)}
        learner = build_settings(learners.get("neural"), {"epochs": 10, "batch_size": 2, "sampling": "random"}, "fit")
        model = learner.fit(FitJob(model=GRU, task=TASK, spec=spec, train=train, valid=None, seed=0))
        found.append([row[0] for row in model.raw(inputs)])  # how probable is each first letter
    assert found[0][0] > found[1][0] and found[0][1] < found[1][1]


def test_the_average_is_a_mixture_of_tokens_and_of_rows_where_tokens_differ():
    target = TASK.fit_target(None, SCHEMA)
    assert target.encode(pd.Series([1.0])) is None
    assert TASK.restore_target(target.state(), SCHEMA) == target
    raws = [Ragged.from_lists(rows) for rows in ([[-1.0, -2.0], [-3.0]], [[-2.0, -1.0], [-1.0]])]
    frames = [TASK.predictions(raw, target, None) for raw in raws]
    mixed = TASK.average(frames, [0.25, 0.75], target)
    tokens = [[0.25 * math.exp(-1) + 0.75 * math.exp(-2), 0.25 * math.exp(-2) + 0.75 * math.exp(-1)]]
    tokens.append([0.25 * math.exp(-3) + 0.75 * math.exp(-1)])
    for row, probabilities in zip(mixed[LOGS], tokens, strict=True):
        np.testing.assert_allclose(np.exp(row), probabilities, rtol=1e-6)
    np.testing.assert_allclose(mixed["prediction"], [-np.log(row).sum() for row in tokens], rtol=1e-6)
    other = TASK.predictions(Ragged.from_lists([[-1.0, -1.0, -1.0], [-2.0]]), target, None)
    rows = TASK.average([frames[0], other], [0.5, 0.5], target)
    np.testing.assert_allclose(rows["prediction"], [3.0, -math.log((math.exp(-3) + math.exp(-2)) / 2)], rtol=1e-6)
