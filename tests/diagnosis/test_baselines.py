"""The baseline of a language model, beside NLTK's."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pipeline.diagnosis.baselines import baseline
from pipeline.metrics import metrics
from pipeline.splits import splits
from pipeline.tasks import tasks

TEXTS = ["the cat sat", "the dog sat down", "a cat and a dog", "the end", "no cat ran", "down the road the dog ran"]


@pytest.mark.parametrize(("cut", "unit"), [(str.split, "words"), (list, "characters")])
def test_the_baseline_of_a_language_model_is_the_share_of_each_token(cut, unit):
    lm = pytest.importorskip("nltk.lm")
    counted = [len(cut(text)) + 1 for text in TEXTS]
    evidence = SimpleNamespace(
        kind="number",
        sign=-1,
        target=pd.Series(counted, name=unit),
        fold=np.array([0, 1, 0, 1, 0, 1]),
        train=pd.DataFrame({"text": TEXTS}),
        schema=SimpleNamespace(columns=[SimpleNamespace(name="text", kind="text")], targets=()),
        competition=SimpleNamespace(
            task=tasks.build("language_model", "task"),
            metric=metrics.build("perplexity", "metric"),
            split=splits.build("shuffled", "split"),
        ),
    )
    found = baseline(evidence)
    for k, score in enumerate(found["folds"]):
        learned = [[*cut(text), "</s>"] for text, fold in zip(TEXTS, evidence.fold, strict=True) if fold != k]
        model = lm.Laplace(1)
        model.fit([[(token,) for token in row] for row in learned], [token for row in learned for token in row])
        held_out = [
            (token,)
            for text, fold in zip(TEXTS, evidence.fold, strict=True)
            if fold == k
            for token in [*cut(text), "</s>"]
        ]
        assert score == pytest.approx(model.perplexity(held_out))
    assert found["what"] == "the share of each token"
