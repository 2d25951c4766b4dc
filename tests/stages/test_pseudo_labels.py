"""Pseudo-labels: test rows as training rows, with answers that no fold's validation rows had a part in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LogisticRegression

from pipeline.core.types import ROW
from pipeline.stages.project import load_project
from pipeline.training.data import Rows
from pipeline.training.pseudo_rows import PSEUDO


def declare(bench, pseudo: dict | None, *, classes: bool = False, **others: dict) -> None:
    """A competition of two models, the second of which learns from the first."""
    generator = np.random.default_rng(0)
    rows = pd.DataFrame({"id": range(90), "a": generator.normal(size=90).round(3), "b": generator.normal(size=90)})
    rows["y"] = (rows["a"] * 3 + generator.normal(size=90)).round(3)
    if classes:
        rows["y"] = np.where(rows["y"] > 0, "yes", "no")
        bench.competition |= {"task": {"name": "classification"}, "metric": "log_loss", "submission": "classes"}
    bench.files["train.csv"] = rows[:60].to_csv(index=False)
    bench.files["test.csv"] = rows[60:].drop(columns="y").to_csv(index=False)
    bench.files["sample_submission.csv"] = rows[60:][["id"]].assign(y="yes" if classes else 0).to_csv(index=False)
    model = "logistic_regression" if classes else "ridge"
    bench.model["model"] = {"name": model}
    bench.write()
    models = {"toy-ridge": bench.model}
    if pseudo is not None:
        models["toy-second"] = {**bench.model, "fit": {"pseudo": pseudo}}
    (bench.root / "params.yaml").write_text(
        yaml.safe_dump({"competitions": {"toy": bench.competition}, "models": {**models, **others}}, sort_keys=False)
    )


def labels(bench, stage: str = "cv") -> dict[str, pd.DataFrame]:
    folder = bench.root / "data/toy" / stage / "toy-second" / PSEUDO
    return {path.stem: pd.read_parquet(path) for path in sorted(folder.iterdir())}


def test_a_model_learns_from_the_folds_own_answers(bench, undrawn):
    declare(bench, {"above": 0.9, "weight": 0.5}, classes=True)
    said = bench.through()
    assert any("toy-second learns from" in line and "toy-ridge" in line for line in said)
    assert any("pseudo-labels of toy-second: log_loss" in line and "without" in line for line in said)
    rows, found = Rows(load_project().competition("toy")), labels(bench)
    rows.pseudo = {"toy-second": bench.root / "data/toy/tuned/toy-second" / PSEUDO}
    data = rows.of(load_project().model("toy-second"))
    test = pd.read_parquet(bench.root / "data/toy/rows/test.parquet")
    for k in data.folds:
        plain, fold = rows.data("numbers").fold(k), data.fold(k)
        theirs = LogisticRegression(max_iter=10_000).fit(plain.train["numbers"], plain.train["target"])
        sure = theirs.predict_proba(plain.encoder.encode(test)["numbers"])
        expected = np.flatnonzero(sure.max(axis=1) >= 0.9)
        assert found[f"fold-{k}"][ROW].tolist() == expected.tolist() and 0 < len(expected) < 30
        assert found[f"fold-{k}"]["y"].tolist() == np.array(["no", "yes"])[sure[expected].argmax(axis=1)].tolist()
        assert len(fold.train["target"]) == len(plain.train["target"]) + len(expected)
        assert len(fold.valid["target"]) == len(plain.valid["target"])
        weights = fold.train["row_weight"]
        assert weights.mean() == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(weights[-len(expected) :] / weights[0], 0.5, rtol=1e-5)
    assert (bench.root / "data/toy/submission.csv").exists()
    assert labels(bench, "tuned").keys() == found.keys()


def test_answers_of_a_folds_validation_rows_change_nothing_of_its_labels(bench):
    declare(bench, {"models": ["toy-ridge"]})
    bench.through("fetch", "preprocess", "train")
    before = labels(bench)
    fold = pd.read_parquet(bench.root / "data/toy/rows/train.parquet")["__fold__"]
    train = pd.read_csv(bench.root / "files/train.csv")
    train.loc[fold == 0, "y"] += 100
    train.to_csv(bench.root / "files/train.csv", index=False)
    bench.through("fetch", "preprocess", "train")
    after = labels(bench)
    pd.testing.assert_frame_equal(after["fold-0"], before["fold-0"])
    for k in ("fold-1", "fold-2", "all"):
        assert not np.allclose(after[k]["y"], before[k]["y"])


def test_all_is_kept_until_the_answers_change(bench):
    declare(bench, None)
    bench.through("fetch", "preprocess", "train")
    first = bench.root / "data/toy/cv/toy-ridge"
    assert not (first / "test").exists()
    declared = yaml.safe_load((bench.root / "params.yaml").read_text())
    declared["models"]["toy-second"] = {**bench.model, "fit": {"pseudo": {}}}
    (bench.root / "params.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))
    bench.through("train")  # the answers are asked for now
    assert len(list((first / "test").iterdir())) == 3
    made = {path: path.stat().st_mtime_ns for path in (bench.root / "data/toy/cv").rglob("*.parquet")}
    bench.through("train")
    assert made == {path: path.stat().st_mtime_ns for path in (bench.root / "data/toy/cv").rglob("*.parquet")}
    declared["models"]["toy-ridge"]["model"] = {"name": "ridge", "alpha": 50.0}
    (bench.root / "params.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))
    before = labels(bench)["all"]
    bench.through("train")
    assert not np.allclose(labels(bench)["all"]["y"], before["y"])


@pytest.mark.parametrize(
    ("pseudo", "words"),
    [
        ({"models": ["toy-rigde"]}, ["fit.pseudo.models", "'toy-rigde'", "toy-ridge"]),
        ({"models": ["toy-second"]}, ["fit.pseudo.models", "has pseudo-labels itself"]),
        ({"above": 0.9}, ["fit.pseudo.above", "needs classes"]),
        ({"models": []}, ["fit.pseudo.models", "needs blend, or a list"]),
        ({"models": "toy-ridge"}, ["fit.pseudo.models", "needs blend, or a list", "'toy-ridge'"]),
        ({"above": 0.3}, ["fit.pseudo.above", "0.5", "0.3"]),
        ({"abvoe": 0.9}, ["fit.pseudo.abvoe", "above"]),
    ],
)
def test_settings_that_cannot_be_are_told(bench, pseudo, words):
    declare(bench, pseudo)
    code, lines = bench.run("check")
    assert code == 2 and len(lines) == 1 and all(word in lines[0] for word in words), lines


def test_where_no_answer_is_sure_the_model_is_left_out(bench, undrawn):
    declare(bench, {"above": 0.999999}, classes=True)
    said = bench.through()
    assert any("toy-second is left out" in line and "0.999999; lower fit.pseudo.above" in line for line in said)


def test_trained_alone_it_learns_from_what_the_others_say_now(bench):
    declare(bench, None)
    bench.through("fetch", "preprocess", "train")
    declared = yaml.safe_load((bench.root / "params.yaml").read_text())
    declared["models"]["toy-second"] = {**bench.model, "fit": {"pseudo": {}}}
    answers = {}
    for alpha in (1.0, 50.0):  # first of folds without answers for the test rows, then of other settings'
        declared["models"]["toy-ridge"]["model"] = {"name": "ridge", "alpha": alpha}
        (bench.root / "params.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))
        code, lines = bench.run("train", "toy-second")
        assert code == 0, lines
        answers[alpha] = labels(bench)["all"]["y"].to_numpy()
        bench.through("train")
        np.testing.assert_array_equal(labels(bench)["all"]["y"], answers[alpha])
    assert not np.allclose(answers[1.0], answers[50.0])


def test_trained_alone_where_the_one_to_compare_with_was_left_out_before(bench):
    teacher = {**bench.model, "model": {"name": "ridge", "alpha": 30.0}}
    declare(bench, {"models": ["toy-teacher"]}, **{"toy-teacher": teacher})
    bench.through("fetch", "preprocess", "train")
    for left_out in (False, True):
        if left_out:
            (bench.root / "data/toy/cv/toy-ridge/scores.json").unlink()
        code, lines = bench.run("train", "toy-second")
        assert code == 0 and any("pseudo-labels of" in line for line in lines) != left_out, lines
