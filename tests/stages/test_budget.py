"""A budget of minutes: one deadline for all stages, models first, then searches, then more seeds."""

import re
import time

import pytest
from projects import Project, small_competition

from pipeline.answering.left_out import kept_models
from pipeline.commands import leaderboard
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.stages import blend, budget, check, fetch, preprocess, report, retrain, submit, train, tune
from pipeline.stages import clock as clocks
from pipeline.stages.budget import AFTER, Budget
from pipeline.stages.clock import Ledger, clock, running_clock
from pipeline.stages.project import load_project
from pipeline.tuning.study import OpenStudy

STAGES = {
    stage.__name__.rpartition(".")[2]: stage
    for stage in (fetch, preprocess, train, tune, blend, retrain, submit, report)
}
SEARCH = {"trials": 2, "space": {"model.alpha": {"log_float": [1e-3, 1e3]}}}


def params(minutes: float | None = 10, **changes) -> dict:
    common = {"competition": "lines", "features": "numbers"}
    if minutes is not None:
        common["budget"] = {"minutes": minutes, "seconds": 5}
    names = ("ridge", "lasso", "elastic_net")
    return {
        "competitions": {"lines": small_competition(rows=60, test_rows=20)},
        "models": {f"lines-{name}": {**common, "model": {"name": name}, **changes} for name in names},
        "execution": {"workers": 2},
    }


@pytest.fixture
def project(tmp_path, monkeypatch, undrawn):
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def run(*stages: str) -> None:
    """Stages, the clock beside them, as `dvc repro` runs them."""
    config = load_project()
    for stage in stages:
        with clock("lines", stage):
            STAGES[stage].run(config, "lines")


def left(seconds: float, minutes: float = 10) -> None:
    """So much of the budget is left."""
    ledger = Ledger.read("lines")
    ledger.used = 60 * minutes - seconds
    ledger.write("lines")


def test_within_the_budget_nothing_is_left_out(project):
    project.params(params())
    run(*STAGES)
    config = load_project()
    assert kept_models(config, "lines") == config.models_of("lines")
    ledger = Ledger.read("lines")
    assert set(ledger.trained) == set(config.models) and min(ledger.trained.values()) > 0
    assert ledger.over and 0 < ledger.used < 300


def test_a_model_that_is_not_expected_to_be_done_is_left_out_and_the_rest_goes_on(project, capsys):
    project.params(params())
    run("fetch", "preprocess")
    left(10)
    run("train", "tune", "blend", "retrain", "submit", "report")  # the first always runs
    told = capsys.readouterr().err
    # What is left is told before the fit on all rows is taken off, which is told too.
    [line] = [line for line in told.splitlines() if "lines-lasso is left out" in line]
    assert re.search(r"expected to take 5.0 s and [\d.]+ s on all rows, and 0.0 s are left for models, of 10 min", line)
    config = load_project()
    assert [model.name for model in kept_models(config, "lines")] == ["lines-ridge"]
    assert list(read_json(project.data("lines", "blend.json"))["weights"]) == ["lines-ridge"]
    leaderboard.run("lines")
    assert "left out: lines-lasso, lines-elastic_net" in capsys.readouterr().out
    assert "lasso was left out" in project.data("lines", "report", "index.html").read_text()


def test_what_the_models_before_took_is_expected_of_the_next(project):
    project.params(params())
    config = load_project()
    left(AFTER["train"] + 11)
    model = config.models["lines-elastic_net"]

    def why() -> str | None:
        return Budget(config, "lines", "train").no_time_for(model)

    assert why() is None
    ledger = Ledger.read("lines")
    ledger.trained = {"lines-ridge": 30.0, "lines-lasso": 10.0}  # on one core, of two; 5 s each were declared
    ledger.write("lines")
    assert why().startswith("expected to take 10.0 s and ")
    ledger.trained = {}
    ledger.write("lines")
    assert why() is None
    # A model of the same name in another competition, now or once, says nothing.
    Ledger(used=590.0, trained={"lines-ridge": 3000.0, "lines-elastic_net": 3000.0}).write("other")
    assert why() is None


def stopped_while_it_trains(project, monkeypatch):
    monkeypatch.setattr(Budget, "no_time_for", lambda *arguments: None)  # all are begun
    began = time.monotonic()
    run("train")
    assert time.monotonic() - began < 60
    why = read_json(project.data("lines", "cv", "lines-mlp", "left_out.json"))["why"]
    assert why == "the budget's time is used up"


def test_a_deadline_stops_what_runs(project, monkeypatch):
    settings = params()
    network = {"model": {"name": "mlp", "hidden": [64]}, "fit": {"epochs": 1_000_000, "learning_rate": 1e-4}}
    settings["models"]["lines-mlp"] = {**settings["models"].pop("lines-elastic_net"), **network}
    project.params(settings)
    run("fetch", "preprocess")
    left(AFTER["train"])  # once one model is there, nothing is left for others
    stopped_while_it_trains(project, monkeypatch)
    assert (project.data("lines", "cv", "lines-ridge") / "scores.json").exists()


def test_a_deadline_stops_models_that_learn_from_the_others_answers(project, monkeypatch):
    settings = params()
    network = {"model": {"name": "mlp", "hidden": [64]}, "fit": {"epochs": 1_000_000, "pseudo": {"weight": 0.5}}}
    settings["models"]["lines-mlp"] = {**settings["models"].pop("lines-elastic_net"), **network}
    project.params(settings)
    run("fetch", "preprocess")
    left(AFTER["train"] + 4)
    stopped_while_it_trains(project, monkeypatch)
    run("tune", "blend", "retrain", "submit")
    assert "lines-mlp" not in read_json(project.data("lines", "blend.json"))["weights"]
    assert project.data("lines", "submission.csv").exists()


def test_every_model_is_trained_before_any_search_begins_and_a_deadline_ends_these(project):
    project.params(params(tune=SEARCH))
    run("fetch", "preprocess")
    left(AFTER["train"] + 60)
    run("train")
    names = list(load_project().models)
    assert all((project.data("lines", "cv", name) / "scores.json").exists() for name in names)
    left(AFTER["tune"] + 5)
    began = time.monotonic()
    run("tune")
    assert time.monotonic() - began < 60
    counts = [read_json(project.data("lines", "tuned", name, "trials.json"))["count"] for name in names]
    assert sum(counts) > 3 * SEARCH["trials"]  # which is no cap within a budget
    # Nothing at all is left: what was found as declared is the best.
    for path in project.data("lines", "tuned").iterdir():
        (path / "identity.json").unlink()
    for study in (project.root / ".podium/studies").iterdir():
        study.unlink()
    (project.root / ".podium/models").rename(project.root / "aside")
    left(0)
    run("tune", "blend", "retrain", "submit")
    assert [read_json(project.data("lines", "tuned", name, "trials.json"))["best"] for name in names] == [0, 0, 0]
    assert project.data("lines", "submission.csv").exists()


def test_a_search_within_a_budget_is_ended_by_its_deadline_however_many_workers_it_has(project, monkeypatch):
    """The seconds of jobs side by side add up to more than the clock's."""
    tell = OpenStudy.tell
    project.params(params(tune=SEARCH))
    run("fetch", "preprocess", "train")
    left(AFTER["tune"] + 5)
    monkeypatch.setattr(OpenStudy, "tell", lambda self, one, outcome, seconds: tell(self, one, outcome, 3600.0))
    run("tune")
    names = load_project().models
    counts = [read_json(project.data("lines", "tuned", name, "trials.json"))["count"] for name in names]
    assert max(counts) > 1 + 2


def test_pauses_between_runs_do_not_count(project):
    project.params(params())
    before = 0.0
    for _ in range(3):
        with clock("lines", "train"):
            time.sleep(0.05)
        used = Ledger.read("lines").used
        assert before + 0.05 <= used < before + 0.45
        before = used
        time.sleep(0.5)


def test_what_passes_between_the_stages_of_one_run_counts(project, monkeypatch):
    project.params(params())
    starts = iter([("first", 7.0), ("first", 7.0), ("second", 2.0)])  # a name, and seconds since it began

    def starter():
        return (now[0], time.time() - now[1])

    monkeypatch.setattr(clocks, "starter", starter)
    now = next(starts)
    with clock("lines", "fetch"):
        pass
    assert 7 <= Ledger.read("lines").used < 8  # `check` and loading came before
    time.sleep(0.5)
    now = next(starts)
    with clock("lines", "preprocess"):
        pass
    assert 7.5 <= Ledger.read("lines").used < 8.5
    time.sleep(0.5)
    now = next(starts)
    with clock("lines", "train"):
        pass
    assert 9.5 <= Ledger.read("lines").used < 10.5  # its own two seconds, and not the pause


def test_a_second_run_goes_on_with_the_rest_and_one_after_the_submission_anew(project):
    project.params(params())
    config = load_project()
    left(100)

    def remains(stage: str) -> float:
        with clock("lines", stage):
            return Budget(config, "lines", "train").deadline - time.monotonic()

    assert 95 < remains("train") <= 100
    with pytest.raises(ZeroDivisionError), clock("lines", "tune"):
        time.sleep(0.2)
        raise ZeroDivisionError
    assert 95 < remains("tune") < 99.9  # what a stage that failed took is used as well
    assert remains("submit") > 0
    assert remains("report") < 100  # which belongs to the same run
    assert 599 < remains("fetch") <= 600


def test_a_long_stage_notes_what_it_has_used_for_the_case_of_a_kill(project, monkeypatch):
    project.params(params())
    monkeypatch.setattr(clocks, "NOTE_SECONDS", 0.1)
    with clock("lines", "train"):
        running = clocks.running_clock("lines")
        running.note()
        assert Ledger.read("lines").used == 0.0
        time.sleep(0.15)
        running.note()
        assert 0.15 <= Ledger.read("lines").used < 1


@pytest.mark.parametrize(
    ("minutes", "remaining", "seeds", "expected"), [(10, 500, 2, 5), (10, 0, 2, 1), (None, None, 2, 2), (10, 500, 6, 6)]
)
def test_what_is_left_goes_into_more_seeds(project, monkeypatch, minutes, remaining, seeds, expected):
    monkeypatch.setattr(retrain, "MOST_SEEDS", 5)
    settings = params(minutes, retrain={"seeds": seeds})
    settings["models"] = {"lines-ridge": settings["models"]["lines-ridge"]}
    project.params(settings)
    run("fetch", "preprocess", "train", "tune", "blend")
    if remaining is not None:
        left(remaining)
    run("retrain")
    assert read_json(project.data("lines", "final", "lines-ridge", "final.json"))["members"] == expected


def test_the_time_for_fits_on_all_rows_is_kept(project):
    project.params(params())
    config = load_project()
    Ledger(trained={name: 40.0 for name in config.models}).write("lines")
    ends = {stage: (one := Budget(config, "lines", stage)).deadline - one.ends for stage in AFTER}
    fits = budget.MAY_HAVE_WEIGHT * 3 * 40 / 2 / 2  # a fit on all rows is half of three folds'; two at once
    assert ends["tune"] == pytest.approx(AFTER["tune"] + fits)
    assert ends["train"] == pytest.approx(AFTER["train"] + fits)
    assert ends["retrain"] == pytest.approx(AFTER["retrain"])


def test_models_of_a_competition_have_one_budget(project):
    settings = params()
    settings["models"]["lines-lasso"]["budget"] = {"minutes": 3}
    project.params(settings)
    with pytest.raises(UserError, match=r"those of lines need the same budget.minutes, got 3 and 10"):
        load_project()


def test_other_settings_begin_a_new_budget_and_a_failed_submission_does_not(project):
    project.params(params(minutes=10.0))
    check.write(load_project())
    with clock("lines", "train"):
        running_clock("lines").before += 300
    assert Ledger.read("lines").used > 299
    with pytest.raises(UserError), clock("lines", "submit"):
        raise UserError("a full disk, say")
    assert not Ledger.read("lines").over
    with clock("lines", "train"):
        assert running_clock("lines").before > 299
    changed = params(minutes=10.0)
    changed["competitions"]["lines"]["split"]["seed"] = 5
    project.params(changed)
    check.write(load_project())
    with clock("lines", "train"):
        assert running_clock("lines").before < 60
