"""Portfolios: what they hold, what stays of them within a budget, and without a library."""

from __future__ import annotations

import pytest
import yaml

from pipeline.commands import budgets, gallery


@pytest.mark.parametrize("portfolio", sorted(path.stem for path in (gallery.FOLDER / "portfolios").glob("*.yaml")))
def test_a_portfolio_holds_nothing_unknown(portfolio):
    parts = gallery._read(gallery.FOLDER / "portfolios" / f"{portfolio}.yaml")
    assert set(parts) == {"features", "models"}
    for body in parts["models"].values():
        assert set(body) <= {"features", "model", "fit", "tune", "retrain", "seed", *gallery.PORTFOLIO_KEYS}
        assert body["features"] in parts["features"] and body["seconds"] > 0


def budget(minutes: float, rows: int = 1000):
    described = {**gallery.entry("ames"), "rows": rows}
    return gallery.compose("ames", described, minutes)[1:]


def test_more_rows_have_larger_minibatches():
    def batches(rows: int) -> dict[str, int]:
        models, _ = gallery.compose("ames", {**gallery.entry("ames"), "rows": rows}, None)[1:]
        return {name: body["fit"]["batch_size"] for name, body in models.items() if "batch_size" in body.get("fit", {})}

    few, many = batches(1000), batches(12_000)
    assert (few["ames-tabm"], many["ames-tabm"]) == (32, 256)  # the package's own rule
    assert all(many[name] >= few[name] for name in few)


@pytest.mark.parametrize(("metric", "monitor"), [("accuracy", "loss"), ("f1", "loss"), ("roc_auc", None)])
def test_networks_are_not_stopped_by_a_metric_that_jumps(metric, monitor):
    entry = gallery.entry("titanic")
    described = {**entry, "competition": {**entry["competition"], "metric": metric}, "rows": 1000}
    models = gallery.compose("titanic", described, None)[1]
    for name in ("titanic-tabm", "titanic-realmlp"):
        assert models[name]["fit"]["early_stopping"].get("monitor") == monitor
    assert models["titanic-lightgbm"]["fit"]["early_stopping"] == 100


def test_a_budget_leaves_searches_as_they_are():
    every, _ = gallery.compose("ames", {**gallery.entry("ames"), "rows": 1000}, None)[1:]
    within, _ = budget(5.0)
    assert any("tune" in body for body in every.values())
    assert all(within[name].get("tune") == body.get("tune") for name, body in every.items())  # the clock ends them


def test_a_budget_stands_in_every_model_and_the_hopeless_are_left_out():
    every, _ = gallery.compose("ames", {**gallery.entry("ames"), "rows": 1000}, None)[1:]
    assert all("budget" not in body for body in every.values())
    models, left_out = budget(5.0)
    assert list(models) == list(every)
    assert {body["budget"]["minutes"] for body in models.values()} == {5.0}
    assert all(body["budget"]["seconds"] > 0 and "seconds" not in body for body in models.values())
    # Ten times the rows are expected to take ten times as long; the first model stays in any case.
    wider, _ = budget(5.0, rows=10_000)
    for name in wider:
        ratio = wider[name]["budget"]["seconds"] / max(models[name]["budget"]["seconds"], 1.0)
        assert ratio > 3 or models[name]["budget"]["seconds"] == 1.0
    models, left_out = budget(0.1, rows=15_000)
    assert next(iter(models)) == next(iter(every))
    assert set(left_out.values()) == {"not within 0.1 min"}
    assert {f"ames-{key}" for key in left_out} == set(every) - set(models)


def test_long_texts_are_expected_to_take_as_much_longer():
    described = {**gallery.entry("ames"), "portfolio": "text_classification", "rows": 5000}

    def seconds(words: float) -> dict[str, float]:
        models = gallery.compose("ames", {**described, "words": words}, 10.0)[1]
        return {name: body["budget"]["seconds"] for name, body in models.items()}

    short, long = seconds(20), seconds(200)
    assert long["ames-logistic-terms"] == pytest.approx(10 * short["ames-logistic-terms"])
    assert "ames-transformer" in short and "ames-transformer" not in long  # not within the budget


def test_models_whose_library_is_not_there_are_left_out(tmp_path, monkeypatch):
    (tmp_path / "portfolios").mkdir()
    body = {"features": "numbers", "model": {"name": "ridge"}, "seconds": 1}
    parts = {
        "features": {"numbers": {"name": "tabular"}, "unused": {"name": "categorical"}},
        "models": {"a": body, "b": {**body, "needs": "no_such_library"}, "c": {**body, "rows_at_most": 10}},
    }
    (tmp_path / "portfolios" / "regression.yaml").write_text(yaml.safe_dump(parts))
    entry = gallery.entry("ames")
    monkeypatch.setattr(gallery, "FOLDER", tmp_path)
    competition, models, left_out = gallery.compose("ames", {**entry, "rows": 11}, None)
    assert models == {"ames-a": {"competition": "ames", "features": "numbers", "model": {"name": "ridge"}}}
    assert competition["features"] == {"numbers": {"name": "tabular"}}
    assert left_out == {"b": "needs the library no-such-library; pip install it", "c": "slow on more than 10 rows"}


def language_model(minutes: float | None, rows: int = 36_000, split: dict | None = None):
    competition = {"split": split or {"name": "holdout", "rows": "last"}, "features": {}, "guessed": {"split": "so"}}
    described = {"competition": competition, "portfolio": "language_model_characters", "rows": rows, "words": 28.0}
    return gallery.compose("play", described, minutes)[:2]


def test_epochs_follow_the_budget_between_their_bounds():
    def epochs(*given) -> int:
        return language_model(*given)[1]["play-lstm"]["fit"]["epochs"]

    assert epochs(None) == 8 and epochs(10_000.0) == 10 and epochs(2.0, 3_600) <= 10
    some = [epochs(minutes) for minutes in (12.0, 15.0, 20.0)]
    assert some == sorted(some) and 4 <= some[0] < some[-1] <= 10
    for minutes in (12.0, 20.0):
        body = language_model(minutes)[1]["play-lstm"]
        assert body["fit"]["epochs"] == 4 or body["budget"]["seconds"] <= budgets.ROOM * 60 * minutes


@pytest.mark.parametrize(
    ("rows", "minutes", "split", "epochs"),
    [
        (60_000, 10.0, "holdout", 14),
        (60_000, 60.0, "stratified", 14),  # time for the folds
        (60_000, None, "stratified", 5),
        (19_000, 2.0, "stratified", 5),  # few rows tell little, held out once
    ],
)
def test_many_images_are_held_out_once_where_folds_would_cost_epochs(monkeypatch, rows, minutes, split, epochs):
    monkeypatch.setattr("pipeline.training.executors.available_cores", lambda: 2)
    monkeypatch.setattr("pipeline.commands.budgets.multiplies_bfloat16", lambda: True)
    competition, models, _ = gallery.compose("clothes", {**gallery.entry("fashion_mnist"), "rows": rows}, minutes)
    assert competition["split"]["name"] == split
    assert models["clothes-lenet"]["fit"]["epochs"] >= epochs


def test_a_long_fit_is_not_made_twice_within_a_budget():
    split = language_model(15.0)[0]["split"]
    assert split["refit"] is False
    assert "refit" not in language_model(None)[0]["split"]
    assert "refit" not in language_model(15.0, 1_000)[0]["split"]  # a short one is
    assert language_model(15.0, 36_000, {**split, "refit": True})[0]["split"]["refit"] is True  # as it was said


@pytest.mark.parametrize(
    ("cores", "thousands", "minutes", "threads"),
    [
        (2, 40, None, {}),  # two of one thread each do more than one after the other
        (8, 40, None, {"lstm": 4, "lstm-deep": 4}),
        (64, 40, None, {"lstm": 8, "lstm-deep": 8}),
        (8, 1, None, {}),  # done in seconds
        (8, 40, 15.0, {"lstm": 4, "lstm-deep": 4}),
    ],
)
def test_long_networks_of_a_holdout_take_the_cores_that_would_idle(monkeypatch, cores, thousands, minutes, threads):
    monkeypatch.setattr("pipeline.training.executors.available_cores", lambda: cores)
    entry = gallery.entry("pydoc-topics")["competition"]
    described = {
        "competition": {**entry, "features": {}, "split": {"name": "holdout", "rows": "last", "part": 0.1}},
        "portfolio": "language_model_characters",
        "rows": thousands * 1000,
        "words": 28.0,
    }
    _, models, _ = gallery.compose("toy", described, minutes)
    told = {
        name.removeprefix("toy-"): body["fit"]["threads"]
        for name, body in models.items()
        if "threads" in body.get("fit", {})
    }
    assert told == threads


def test_folds_leave_no_core_to_threads(monkeypatch):
    monkeypatch.setattr("pipeline.training.executors.available_cores", lambda: 8)
    _, models, _ = gallery.compose("ames", {**gallery.entry("ames"), "rows": 100_000}, None)
    assert not any("threads" in body.get("fit", {}) for body in models.values())
