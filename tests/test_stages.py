"""Every stage through DVC: same in, same out; nothing runs that need not."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from in_process import through
from projects import Project, small_competition, three_models

from pipeline.core.files import read_json
from pipeline.core.types import FOLD, ROW
from pipeline.stages.project import load_project
from pipeline.stages.snapshot import STAGES

pytestmark = pytest.mark.timeout(900)  # whichever comes first waits for `two_runs`


def ran(output: str) -> list[str]:
    """The stages that a ``dvc repro`` has run."""
    return re.findall(r"^Running stage '(.+)':$", output, flags=re.MULTILINE)


class TestTwoCleanRuns:
    def test_every_stage_runs_once(self, two_runs):
        expected = [f"{stage}@lines" for stage in STAGES]
        for project in two_runs:
            assert sorted(ran(project.output)) == sorted(["check", *expected])

    def test_their_outputs_are_byte_identical(self, two_runs):
        first, second = (project.outputs() for project in two_runs)
        assert first.keys() == second.keys()
        assert [name for name in first if first[name] != second[name]] == []

    def test_outputs_hold_no_place_and_no_leftovers(self, undisturbed):
        outputs = undisturbed.outputs()
        assert not [name for name, content in outputs.items() if str(undisturbed.root).encode() in content]
        assert not [name for name in outputs if Path(name).name.startswith(".")]

    def test_the_submission_is_valid_and_good(self, undisturbed):
        sample = pd.read_csv(undisturbed.data("lines", "raw", "sample_submission.csv"))
        submission = pd.read_csv(undisturbed.data("lines", "submission.csv"))
        assert list(submission) == list(sample)
        assert (submission["id"] == sample["id"]).all()
        solution = pd.read_csv(undisturbed.data("lines", "raw", "solution.csv"))
        error = np.sqrt(np.mean((submission["y"] - solution["y"]) ** 2))
        assert error < 0.05 * solution["y"].std()  # the data is linear, and so is the ridge

    def test_the_raw_test_file_predicted_again_gives_the_submission(self, undisturbed, tmp_path):
        project = undisturbed.copy(tmp_path / "project")
        project.podium("predict", "lines", "--in", "data/lines/raw/test.csv", "--out", "again.csv")
        assert (project.root / "again.csv").read_bytes() == project.data("lines", "submission.csv").read_bytes()

    def test_a_second_repro_runs_nothing_but_the_check(self, two_runs):
        assert ran(two_runs[1].repro()) == ["check"]


@pytest.fixture(scope="module")
def edited(undisturbed, tmp_path_factory) -> tuple[Project, str]:
    """The project after an edit of params.yaml alone: one model more, more trials for another."""
    project = undisturbed.copy(tmp_path_factory.mktemp("edited") / "project")
    studies = ".podium/studies"
    (project.root / studies).mkdir(parents=True)
    for journal in (undisturbed.root / studies).glob("*.journal"):
        (project.root / studies / journal.name).write_bytes(journal.read_bytes())
    params = three_models()
    params["models"]["lines-lasso"] = {"competition": "lines", "features": "numbers", "model": {"name": "lasso"}}
    params["models"]["lines-ridge"]["tune"]["trials"] = 6
    project.params(params)
    return project, project.repro()


class TestAnEditOfParamsAlone:
    def test_runs_only_what_it_touches(self, edited):
        _, output = edited
        # The best of six trials may be the best of the first four; then nothing new is to be fitted on all rows.
        stages = [name.partition("@")[0] for name in ran(output)]
        assert set(stages) - {"retrain", "submit"} == {"check", "train", "tune", "blend", "report"}

    def test_fits_only_what_it_touches(self, edited, undisturbed):
        _, output = edited
        assert set(re.findall(r"^[0-9:]{8} (lines-\w+): \d+ folds", output, re.MULTILINE)) == {"lines-lasso"}
        assert set(re.findall(r"^[0-9:]{8} (lines-\w+): \d+ trials", output, re.MULTILINE)) == {"lines-ridge"}

    def test_a_new_model_reaches_the_blend(self, edited):
        project, _ = edited
        assert "lines-lasso" in read_json(project.data("lines", "blend.json"))["weights"]

    def test_more_trials_go_on_with_the_study(self, edited, undisturbed):
        project, _ = edited
        place = ("lines", "tuned", "lines-ridge", "trials.json")
        before, after = read_json(undisturbed.data(*place)), read_json(project.data(*place))
        assert (before["count"], after["count"]) == (4, 6)
        assert after["trials"][:4] == before["trials"]
        journal = (project.root / ".podium/studies/lines-ridge.journal").read_text()
        assert journal.count('"op_code":4') == 6  # Optuna's line for a new trial: none asked twice

    def test_taking_it_back_fits_nothing_again(self, edited, undisturbed):
        project, _ = edited
        project.params(three_models())
        assert not re.search(r"^[0-9:]{8} lines-", project.repro(), re.MULTILINE)
        assert project.outputs() == undisturbed.outputs()


def test_test_rows_changed_in_place_reach_the_submission(project, monkeypatch):
    """They change no prediction of the folds, and DVC hears of them through what each stage wrote alone."""
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"id": range(60), "size": random.normal(size=60)}).assign(y=lambda one: 3 * one["size"] + 1)
    files = project.root / "files"
    files.mkdir()
    rows[:40].to_csv(files / "train.csv", index=False)
    rows[40:].drop(columns="y").to_csv(files / "test.csv", index=False)
    rows[40:][["id", "y"]].assign(y=0).to_csv(files / "sample_submission.csv", index=False)
    competition = {**small_competition(), "source": {"name": "files", "path": "files"}}
    ridge = {"competition": "lines", "features": "numbers", "model": {"name": "ridge"}}
    project.params({"competitions": {"lines": competition}, "models": {"lines-ridge": ridge}})
    monkeypatch.chdir(project.root)
    through("lines")
    project.run("dvc", "commit", "--force", "--quiet")
    before = pd.read_csv(project.data("lines", "submission.csv"))
    rows[40:].drop(columns="y").assign(size=lambda one: one["size"] + 1).to_csv(files / "test.csv", index=False)
    assert [stage.partition("@")[0] for stage in ran(project.repro("submit@lines"))][:3] == [
        "check",
        "fetch",
        "preprocess",
    ]
    after = pd.read_csv(project.data("lines", "submission.csv"))
    assert (after["y"] - before["y"]).to_numpy() == pytest.approx(3, abs=0.3)


class TestMlflow:
    def test_a_server_that_is_down_costs_a_line_a_stage_and_no_record(self, undisturbed):
        lines = [line for line in undisturbed.output.splitlines() if "MLflow" in line]
        assert 1 <= len(lines) <= 5  # a tracked stage each: train, tune, retrain, submit, report
        assert all("does not answer" in line and "kept in .podium/outbox" in line for line in lines)
        weighed = len(list(undisturbed.data("lines", "final").iterdir()))
        runs = 3 + 1 + weighed + 2  # of three models trained, one tuned, those with weight retrained, blend and report
        assert len(list((undisturbed.root / ".podium/outbox").glob("*.jsonl"))) == runs

    def test_the_champion_answers_the_raw_test_rows_as_the_submission_does(self, delivered):
        code = """
import mlflow, pandas
mlflow.set_tracking_uri("sqlite:///mlflow.db")
model = mlflow.pyfunc.load_model("models:/lines@champion")
answer = model.predict(pandas.read_csv("data/lines/raw/test.csv", dtype=str, keep_default_na=False))
answer.to_csv("champion.csv", index=False, lineterminator="\\n")
client = mlflow.MlflowClient()
experiment = client.get_experiment_by_name("lines")
for run in client.search_runs([experiment.experiment_id], max_results=100):
    print("RUN", run.info.status, run.data.tags.get("mlflow.parentRunId", "-"), run.info.run_name, sep="|")
"""
        output = delivered.run(sys.executable, "-c", code)
        champion = (delivered.root / "champion.csv").read_bytes()
        assert champion == delivered.data("lines", "submission.csv").read_bytes()
        runs = [line.split("|")[1:] for line in output.splitlines() if line.startswith("RUN")]
        assert {status for status, _, _ in runs} == {"FINISHED"}
        assert sorted(name for _, parent, name in runs if parent == "-") == ["blend", "linear", "ridge", "trees"]
        stages = [f"lines-{model} train" for model in ("linear", "ridge", "trees")]
        stages += [f"{path.name} retrain" for path in delivered.data("lines", "final").iterdir()]
        children = [name for _, parent, name in runs if parent != "-"]
        assert {*stages, "lines-ridge tune", "blend submit", "blend report"} <= set(children)
        tuned = delivered.data("lines", "tuned", "lines-ridge", "trials.json")
        better_than_declared = read_json(tuned)["best"] != 0  # then its folds are there too
        assert sum(name.startswith("fold") for name in children) == 9 + 3 * better_than_declared
        assert sum(name.startswith("trial") for name in children) == 4  # with trial 0, which is what `train` found


class TestOtherWaysThrough:
    """In this process, stage after stage: what DVC does is the same for all of them."""

    @pytest.fixture
    def through(self, tmp_path, monkeypatch, undrawn):
        from pipeline.commands import predict
        from pipeline.core.config import Config
        from pipeline.stages import blend, fetch, preprocess, report, retrain, submit, train, tune

        monkeypatch.chdir(tmp_path)

        def run(params: dict) -> Config:
            Project(tmp_path).params({**params, "execution": {"executor": "serial"}})
            config = load_project()
            for stage in (fetch, preprocess, train, tune, blend, retrain, submit, report):
                stage.run(config, "shops")
            predict.run("shops", tmp_path / "data/shops/raw/test.csv", tmp_path / "again.csv")
            assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "data/shops/submission.csv").read_bytes()
            return config

        return run

    def shops(self, folder: Path, split: dict, model: dict) -> dict:
        """Sales of six shops over forty days, as files, with one model."""
        random = np.random.default_rng(0)
        rows = pd.DataFrame({"id": range(300), "size": random.normal(size=300), "price": random.normal(size=300)})
        rows["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 40, 300), unit="D")
        rows["shop"] = random.choice(list("abcdef"), 300)
        rows["sold"] = 3 * rows["size"] - rows["price"] + 10
        (folder / "files").mkdir()
        rows[:240].to_csv(folder / "files/train.csv", index=False)
        rows[240:].drop(columns="sold").to_csv(folder / "files/test.csv", index=False)
        rows[240:][["id", "sold"]].assign(sold=0).to_csv(folder / "files/sample_submission.csv", index=False)
        columns = {
            "grouped": {"group": "shop", "drop": ["day"]},
            "time_ordered": {"time": "day", "drop": ["shop"]},
        }.get(split["name"], {"drop": ["shop", "day"]})
        competition = {
            "source": {"name": "files", "path": str(folder / "files")},
            "columns": {"id": "id", "target": "sold", **columns},
            "task": "regression",
            "metric": "mae",
            "split": split,
            "features": {"numbers": {"name": "tabular"}},
            "blend": "equal",
            "submission": "values",
        }
        body = {"competition": "shops", "features": "numbers", "model": {"name": "ridge", "alpha": 0.01}, **model}
        return {"competitions": {"shops": competition}, "models": {"shops-ridge": body}}

    def folds(self, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
        rows = pd.read_parquet(folder / "data/shops/rows/train.parquet")
        predictions = pd.read_parquet(folder / "data/shops/tuned/shops-ridge/predictions.parquet")
        return rows, predictions

    def test_groups_stay_together(self, through, tmp_path):
        through(self.shops(tmp_path, {"name": "grouped", "folds": 3}, {}))
        rows, predictions = self.folds(tmp_path)
        assert rows.groupby("shop")[FOLD].nunique().max() == 1
        assert predictions[ROW].tolist() == list(range(240))
        assert (predictions["prediction"] - rows["sold"]).abs().mean() < 0.1

    def test_the_past_predicts_the_future(self, through, tmp_path):
        through(self.shops(tmp_path, {"name": "time_ordered", "folds": 3}, {}))
        rows, predictions = self.folds(tmp_path)
        day = pd.to_datetime(rows["day"])
        assert [day[rows[FOLD] == k].max() <= day[rows[FOLD] == k + 1].min() for k in (-1, 0, 1)] == [True] * 3
        assert predictions[ROW].tolist() == np.flatnonzero(rows[FOLD] >= 0).tolist()

    @pytest.mark.parametrize(("retrain", "members"), [({"mode": "folds"}, 3), ({"seeds": 2}, 2)])
    def test_several_members_are_averaged(self, through, tmp_path, retrain, members):
        fit = {"optimizer": "adam", "learning_rate": 0.1, "epochs": 3}
        model = {"model": {"name": "mlp", "hidden": [4]}, "fit": fit, "retrain": retrain}
        through(self.shops(tmp_path, {"name": "shuffled", "folds": 3, "seed": 0}, model))
        final = tmp_path / "data/shops/final/shops-ridge"
        assert sorted(path.name for path in (final / "members").iterdir()) == [str(i) for i in range(members)]
        weights = {path.read_bytes() for path in final.glob("members/*/weights/weights.safetensors")}
        assert len(weights) == members

    def test_folds_members_of_the_best_trial_are_its_own(self, through, tmp_path):
        tune = {"trials": 3, "space": {"model.alpha": {"log_float": [1e-6, 1e4]}}}
        model = {"model": {"name": "ridge", "alpha": 1e4}, "tune": tune, "retrain": {"mode": "folds"}}
        through(self.shops(tmp_path, {"name": "shuffled", "folds": 3, "seed": 0}, model))
        tuned = tmp_path / "data/shops/tuned/shops-ridge"
        best = read_json(tuned / "trials.json")["best"]
        assert best > 0  # any is better than the one declared
        alpha = read_json(tuned / "settings.json")["model"]["alpha"]
        for member in tmp_path.glob("data/shops/final/shops-ridge/members/*/predictor.json"):
            assert read_json(member)["model"]["alpha"] == alpha
