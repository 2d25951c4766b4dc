"""Baselines of language models, beside NLTK's, and of texts for texts, beside sacreBLEU's."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sacrebleu

from pipeline.core.schema import Column, Schema
from pipeline.diagnosis.baselines import baseline
from pipeline.diagnosis.findings import findings
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


WHO = ["Mann", "Mann", "Mann", "Frau", "Frau", "Kind", "Hund"]
WHERE = ["in einem Park", "in einem Park", "in einem Bus", "auf einer Wiese", "am Meer"]


def translated(metric: str, rows: list[tuple[str, str]], sign: int = 1) -> SimpleNamespace:
    """Pairs of English and German; every second one is of fold 1."""
    pairs = pd.DataFrame(rows, columns=["en", "de"], dtype="str")
    return SimpleNamespace(
        kind="text",
        sign=sign,
        target=pairs["de"],
        fold=np.arange(len(pairs)) % 2,
        train=pairs,
        schema=Schema("id", "de", (Column("en", "text"),), target_kind="text"),
        competition=SimpleNamespace(
            task=tasks.build("translation", "task"),
            metric=metrics.build(metric, "metric"),
            split=splits.build("shuffled", "split"),
        ),
    )


def captions(count: int = 600) -> list[tuple[str, str]]:
    """Each its own, the first ones least like the others."""
    random = np.random.default_rng(0)
    draws = [
        (random.choice(WHO), random.choice(WHERE), random.choice(["sitzt", "steht", "rennt"])) for _ in range(count)
    ]
    targets = [f"ein {who} {does} {where}" + f" vor Nummer {i}" * (i % 3) for i, (who, where, does) in enumerate(draws)]
    targets[:2] = ["Achtung", "Vorsicht"]
    return [(f"caption {i}", target) for i, target in enumerate(targets)]


def test_the_baseline_of_a_translation_is_a_typical_target_scored_on_all_rows_of_a_fold():
    evidence = translated("bleu", captions())
    found = baseline(evidence)
    assert found["what"] == "the most typical target"
    for k, score in enumerate(found["folds"]):
        learned = evidence.target[evidence.fold != k].tolist()
        wanted = evidence.target[evidence.fold == k].tolist()
        of_constants = [
            sacrebleu.corpus_bleu([text] * len(wanted), [wanted], force=True).score for text in learned[:10]
        ]
        assert score >= max(of_constants) > 5


def test_where_the_source_is_nearly_the_target_the_baseline_copies_it():
    rows = [(f"file {i} {where}", f"file {i} {where} !") for i in range(20) for where in WHERE]
    evidence = translated("chrf", rows)
    found = baseline(evidence)
    assert found["what"] == "en as it is"
    for k, score in enumerate(found["folds"]):
        part = evidence.train[evidence.fold == k]
        assert score == pytest.approx(sacrebleu.corpus_chrf(part["en"].tolist(), [part["de"].tolist()]).score)


def test_where_the_very_same_text_counts_the_most_common_target_is_the_baseline():
    rows = [(f"name {i}", "niemand" if i % 3 else f"Herr {i}") for i in range(300)]
    found = baseline(translated("exact_match", rows))
    assert found["what"] == "the most common target"
    assert found["valid"] == pytest.approx(2 / 3, abs=0.01)


def test_a_metric_that_asks_the_model_has_no_baseline_of_texts():
    assert baseline(translated("perplexity", captions(40), sign=-1)) is None


def told(evidence: SimpleNamespace, **said: list[str]):
    """What POD103 says of models by their answers."""
    metric, evidence.models = evidence.competition.metric, {}
    for name, texts in said.items():
        answers = pd.DataFrame({"prediction": texts})
        rows = [evidence.fold == k for k in (0, 1)]
        valid = [metric.score(evidence.target[some], answers[some]) for some in rows]
        evidence.models[name] = SimpleNamespace(name=name, valid=valid, scores={"valid": np.mean(valid)})
    evidence.baseline = baseline(evidence)
    return findings.build("POD103", "f").look(evidence)


def test_a_translator_that_says_the_same_of_every_row_is_told_and_one_that_translates_is_not():
    evidence = translated("bleu", captions())
    useless = ["ein Mann" if i % 2 else "ein Kind in einem Park" for i in range(600)]
    found = told(evidence, useless=useless, able=[text.replace("Frau", "Dame") for text in evidence.target])
    assert found.about == ("useless",) and found.severity is None  # the finding's own: serious
    assert found.measured.endswith(f"the baseline, the most typical target, scores {evidence.baseline['valid']:.5f}.")


def test_one_that_is_better_than_a_constant_but_not_than_the_source_is_warned_of():
    numbered = [(f"file {i} {where}", f"file {i} {where} !") for i in range(20) for where in WHERE]
    evidence = translated("chrf", numbered)
    some = [text.replace("file", "data") for text in evidence.target]
    assert told(evidence, some=some).severity == "warning"
    assert told(evidence, some=some, same=["file"] * len(some)).severity is None
    assert told(evidence, able=evidence.target.tolist()) is None
