"""Blend ``consensus`` over translations that are partly wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from words import competition

from pipeline.answering.ensembles import fit_ensemble
from pipeline.blends import blends
from pipeline.core.combination import Library
from pipeline.core.config import build_config
from pipeline.metrics import metrics
from pipeline.stages.project import shelves
from pipeline.stages.snapshot import contents
from pipeline.tasks import tasks

TASK, CHRF = tasks.build("translation", "t"), metrics.build("chrf", "m")
WORDS = ["der", "die", "das", "Hund", "Katze", "Haus", "läuft", "schläft", "steht", "groß", "klein", "rot", "blau"]


def translations(rows: int = 60, wrong=(0.3, 0.3, 0.3, 0.9)) -> tuple[pd.Series, list[pd.DataFrame]]:
    """References, and a model each that says so many words wrong, each in places of its own."""
    random = np.random.default_rng(0)
    target = [random.choice(WORDS, 5).tolist() for _ in range(rows)]

    def said(part: float) -> pd.DataFrame:
        texts = [[w if random.random() >= part else random.choice(WORDS) for w in words] for words in target]
        return pd.DataFrame({"prediction": pd.Series([" ".join(text) for text in texts], dtype="str")})

    return pd.Series([" ".join(words) for words in target], dtype="str"), [said(part) for part in wrong]


def library(target, frames, metric=CHRF) -> Library:
    return Library(frames, target, TASK, None, metric)


def test_models_that_agree_say_more_than_the_best_and_the_worst_is_left_out():
    of = library(*translations())
    weights = blends.build("consensus", "b").weights(of)
    assert weights[3] == 0 and sum(weights) == pytest.approx(1) and sum(weight > 0 for weight in weights) == 3
    together = of.loss(of.average([of.frames[i] for i in range(3)], [1 / 3] * 3))
    assert together < min(of.loss(frame) for frame in of.frames) - 2  # chrF


@pytest.mark.parametrize("seed", range(5))
def test_it_is_never_worse_than_the_best_model_on_the_rows_it_was_chosen_by(seed):
    random = np.random.default_rng(seed)
    of = library(*translations(15, random.uniform(0.1, 1, 4)))
    weights = blends.build("consensus", "b").weights(of)
    kept = [i for i, weight in enumerate(weights) if weight]
    frames = [of.frames[i] for i in kept]
    loss = of.loss(frames[0] if len(kept) == 1 else of.average(frames, [weights[i] for i in kept]))
    assert loss <= min(of.loss(frame) for frame in of.frames)


def test_its_score_is_of_folds_that_did_not_choose_it():
    target, frames = translations()
    fold = np.arange(len(target)) % 3
    found = fit_ensemble(
        dict(zip("abcd", frames, strict=True)),
        target,
        fold,
        blend=blends.build("consensus", "b"),
        task=TASK,
        target_codec=None,
        metric=CHRF,
    )
    best = max(np.mean([CHRF.score(target[fold == k], frame[fold == k]) for k in range(3)]) for frame in frames)
    assert found.steps["blended"] > best
    answers = found.ensemble.predict(dict(zip("abcd", frames, strict=True)), TASK, None)
    assert answers["prediction"].map(type).eq(str).all() and len(answers) == len(target)


def test_one_model_or_few_of_several():
    target, frames = translations(10)
    assert blends.build("consensus", "b").weights(library(target, frames[:1])) == [1.0]
    weights = blends.build({"name": "consensus", "most": 1}, "b").weights(library(target, frames))
    assert sorted(weights) == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("blend", "search", "told"),
    [
        ("consensus", {"name": "beam"}, 5),
        ({"name": "consensus", "candidates": 3}, {"name": "beam"}, 3),
        ("consensus", {"name": "beam", "width": 2}, 2),  # a wider one would find other texts
        ("consensus", {"name": "beam", "width": 8, "n_best": 6}, 6),
        ("consensus", {"name": "greedy"}, 1),
        ("best", {"name": "beam"}, 1),
    ],
)
def test_every_model_is_asked_for_several_texts_in_all_stages(blend, search, told):
    declared = competition(blend=blend, task={"name": "translation", "search": search})
    model = {"competition": "words", "features": "pairs", "model": "seq2seq"}
    config = build_config({"competitions": {"words": declared}, "models": {"words-gru": model}}, shelves())
    assert config.competition("words").task.search.n_best == told
    for stage in ("train", "retrain", "submit"):
        seen = contents(config, "words", stage)["competition"]["task"]
        assert seen["search"].get("n_best", 1) == told
