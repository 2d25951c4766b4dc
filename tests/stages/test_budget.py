"""A budget of minutes: models are cut from the end of the list, and what was spent stays spent."""

import time

import pytest
from projects import Project, small_competition

from pipeline.core.errors import UserError
from pipeline.core.files import read_json, write_json
from pipeline.stages import blend, budget, clock, fetch, leaderboard, preprocess, report, retrain, submit, train, tune
from pipeline.stages.project import load_project

STAGES = {"train": train, "tune": tune, "retrain": retrain}


def params(minutes: float = 10, **slow) -> dict:
    ridge = {"competition": "lines", "features": "numbers", "model": {"name": "ridge"}}
    network = {"name": "mlp", "hidden": [64]}
    fit = {"optimizer": "adam", "learning_rate": 1e-4, "epochs": 5}
    return {
        "competitions": {"lines": small_competition(rows=200, test_rows=30)},
        "models": {
            "lines-ridge": {**ridge, "budget": {"minutes": minutes, "seconds": 5}},
            "lines-lasso": {**ridge, "model": {"name": "lasso"}, "budget": {"minutes": minutes, "seconds": 5}},
            "lines-mlp": {
                **ridge,
                "model": network,
                "fit": {**fit, **slow},
                "budget": {"minutes": minutes, "seconds": 5},
            },
        },
    }


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PODIUM_TRACKING", "off")
    return Project(tmp_path)


def through(*names: str) -> None:
    """The stages of a competition, the clock beside them, as `dvc repro` would run them."""
    config = load_project()

    def run(stage, module, name):
        with clock.clock(config, stage, name):
            module.run(config, name)

    run("fetch", fetch, "lines")
    run("preprocess", preprocess, "lines")
    for stage, module in STAGES.items():
        for name in names or config.models:
            run(stage, module, name)


def test_within_the_budget_nothing_is_left_out(project):
    project.params(params(minutes=10))
    through()
    config = load_project()
    assert [model.name for model in budget.kept_models(config, "lines")] == list(config.models)
    assert set(clock.Ledger.read("lines").stages) == {
        "fetch@lines",
        "preprocess@lines",
        *(f"{stage}@{name}" for stage in STAGES for name in config.models),
    }


def test_a_model_that_is_not_expected_to_be_done_is_left_out_and_the_rest_goes_on(project, capsys):
    project.params(params(minutes=10))
    config = load_project()
    with clock.clock(config, "fetch", "lines"):
        time.sleep(0.01)
    # What the stages before used up: all but a minute, of which the ends of the run take a part.
    ledger = clock.Ledger.read("lines")
    ledger.stages["fetch@lines"] = 570.0
    ledger.write("lines")
    assert budget.training_seconds(config, config.model("lines-ridge")) == float("inf")  # the first always runs
    project.params(params(minutes=9))
    config = load_project()
    fetch.run(config, "lines")
    preprocess.run(config, "lines")
    for stage in STAGES.values():
        for name in config.models:
            stage.run(config, name)
    assert "lines-lasso: left out: expected to take 5 s, and 0 s are left of 9 minutes" in capsys.readouterr().err
    assert [model.name for model in budget.kept_models(config, "lines")] == ["lines-ridge"]
    for stage in (blend, submit, report):
        stage.run(config, "lines")
    assert list(read_json(project.data("lines", "blend.json"))["weights"]) == ["lines-ridge"]
    leaderboard.run("lines")
    assert "left out: lines-lasso, lines-mlp" in capsys.readouterr().out
    assert "lines-mlp" in project.data("lines", "report", "index.html").read_text()


def test_a_model_that_is_not_done_in_time_is_stopped(project, monkeypatch):
    project.params(params(epochs=100_000))
    monkeypatch.setattr(train, "training_seconds", lambda config, model: 3.0)
    config = load_project()
    fetch.run(config, "lines")
    preprocess.run(config, "lines")
    began = time.monotonic()
    train.run(config, "lines-mlp")
    assert time.monotonic() - began < 20
    assert [path.name for path in project.data("lines", "models", "lines-mlp", "cv").iterdir()] == ["left_out.json"]
    assert read_json(project.data("lines", "models", "lines-mlp", "cv", "left_out.json"))["why"] == "not done after 3 s"


def test_what_the_models_before_took_is_expected_of_the_next(project):
    project.params(params())
    config = load_project()
    assert budget.expected_seconds(config, config.model("lines-mlp")) == 5
    clock.Ledger({"train@lines-ridge": 15.0, "train@lines-lasso": 5.0}).write("lines")
    assert budget.expected_seconds(config, config.model("lines-mlp")) == 10


def test_a_search_gets_its_part_of_what_is_left(project):
    settings = params()
    space = {"model.alpha": {"log_float": [1e-3, 1e3]}}
    for name in ("lines-ridge", "lines-lasso"):
        settings["models"][name]["tune"] = {"trials": 500, "space": space}
    project.params(settings)
    config = load_project()
    clock.Ledger({"train@lines-ridge": 60.0, "train@lines-lasso": 60.0}).write("lines")
    for name, score in (("ridge", 1.0), ("lasso", 2.0)):
        folder = project.data("lines", "models", f"lines-{name}", "cv")
        folder.mkdir(parents=True)
        write_json(folder / "scores.json", {"valid": score})
    first, second = (budget.searching_minutes(config, config.model(f"lines-{name}"), 0) for name in ("ridge", "lasso"))
    assert 3 < first < 5  # two thirds of the seven minutes left, less the two fits on all rows
    assert second == pytest.approx(first / 2)  # half of the better one's part
    assert budget.searching_minutes(config, config.model("lines-ridge"), 1) == pytest.approx(first - 1)  # less a trial
    ledger = clock.Ledger.read("lines")
    ledger.stages["tune@lines-ridge"] = 60.0
    ledger.write("lines")
    assert budget.searching_minutes(config, config.model("lines-lasso"), 0) > 2 * second  # all that is left
    assert tune.within(config.model("lines-ridge"), first).tune.minutes == first


def test_a_search_before_the_others_are_trained_leaves_them_their_part(project):
    settings = params()
    for name in ("lines-ridge", "lines-lasso"):
        settings["models"][name]["tune"] = {"trials": 500, "space": {"model.alpha": {"log_float": [1e-3, 1e3]}}}
    settings["competitions"]["lines"]["metric"] = "r2"  # higher is better
    project.params(settings)
    config = load_project()
    clock.Ledger({"train@lines-ridge": 60.0}).write("lines")
    scores = project.data("lines", "models", "lines-ridge", "cv", "scores.json")
    scores.parent.mkdir(parents=True)
    write_json(scores, {"valid": 0.5})
    first = budget.searching_minutes(config, config.model("lines-ridge"), 0)
    assert 4 < first < 6  # two thirds of eight minutes
    better = project.data("lines", "models", "lines-lasso", "cv", "scores.json")
    better.parent.mkdir(parents=True)
    write_json(better, {"valid": 0.75})
    assert budget.searching_minutes(config, config.model("lines-ridge"), 0) == pytest.approx(first / 2)


def test_models_of_a_competition_have_one_budget(project):
    settings = params()
    settings["models"]["lines-mlp"]["budget"]["minutes"] = 3
    project.params(settings)
    with pytest.raises(UserError, match=r"those of lines need the same budget.minutes, got 3 and 10"):
        load_project()


def test_what_passes_between_stages_counts_but_not_a_night(project):
    project.params(params())
    config = load_project()
    with clock.clock(config, "fetch", "lines"):
        pass
    time.sleep(0.5)
    with clock.clock(config, "preprocess", "lines"):
        pass
    ledger = clock.Ledger.read("lines")
    assert 0.5 <= ledger.between < 5
    ledger.ended -= 8 * 3600
    ledger.write("lines")
    with clock.clock(config, "train", "lines-ridge"):
        pass
    assert clock.Ledger.read("lines").between == ledger.between
