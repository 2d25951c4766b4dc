"""From out-of-fold predictions to answers: blend.json, submissions, raw rows, the leaderboard."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from projects import Project
from sklearn.metrics import f1_score

from pipeline.answering.ensembles import Ensemble
from pipeline.answering.final_models import load_answering
from pipeline.answering.submitting import answer
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.core.paths import CompetitionPaths, ModelPaths
from pipeline.core.types import FOLD, Schema


def write_rows(folder, classes):
    """Rows with two informative numbers; the last class is rare, or grades follow one another."""
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"id": range(2000), "a": random.normal(size=2000), "b": random.normal(size=2000)})
    quality = rows["a"] + 0.5 * rows["b"] + random.normal(0, 0.8, 2000)
    cuts = np.quantile(quality, [0.85] if len(classes) == 2 else [0.5, 0.8, 0.92])
    rows["kind"] = np.array(classes)[np.searchsorted(cuts, quality)]
    folder.mkdir()
    rows[:500].to_csv(folder / "train.csv", index=False)
    rows[500:].drop(columns="kind").to_csv(folder / "test.csv", index=False)
    rows[500:][["id", "kind"]].to_csv(folder / "solution.csv", index=False)
    rows[500:][["id", "kind"]].assign(kind=classes[0]).to_csv(folder / "sample_submission.csv", index=False)


def params(folder, metric, blend, submission="classes"):
    competition = {
        "source": {"name": "files", "path": str(folder)},
        "columns": {"id": "id", "target": "kind"},
        "task": "classification",
        "metric": metric,
        "split": {"name": "stratified", "folds": 4, "seed": 0},
        "features": {"numbers": {"name": "tabular"}},
        "blend": blend,
        "submission": submission,
    }
    models = {
        "kinds-logistic": {"name": "logistic_regression", "C": 1.0},
        "kinds-shrunk": {"name": "logistic_regression", "C": 0.001},
    }
    common = {"competition": "kinds", "features": "numbers", "retrain": {"always": True}}  # with weight or without
    bodies = {name: {**common, "model": model} for name, model in models.items()}
    return {"competitions": {"kinds": competition}, "models": bodies, "execution": {"executor": "serial"}}


@pytest.fixture
def through(tmp_path, monkeypatch):
    """Run all stages in this process; gives the configuration."""
    from pipeline.stages import blend, fetch, preprocess, retrain, submit, train, tune
    from pipeline.stages.project import load_project

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PODIUM_TRACKING", "off")

    def run(classes, *settings):
        write_rows(tmp_path / "files", classes)
        Project(tmp_path).params(params(tmp_path / "files", *settings))
        config = load_project()
        for stage in (fetch, preprocess, train, tune, blend, retrain, submit):
            stage.run(config, "kinds")
        return config

    return run


def test_thresholds_reach_every_answer(through, tmp_path, capsys):
    from pipeline.commands import leaderboard, predict
    from pipeline.stages import report

    config = through(["no", "yes"], "f1", "greedy")
    blend = read_json(CompetitionPaths("kinds").blend)
    threshold = blend["decision"]["thresholds"]["yes"]
    assert 0.1 < threshold < 0.45
    assert blend["steps"]["decided"] == pytest.approx(blend["decided"])
    assert blend["valid"] == pytest.approx(blend["steps"]["blended"]) and blend["valid"] < blend["decided"]
    submission = pd.read_csv(CompetitionPaths("kinds").submission)

    # As by hand: the weighted mean of the models' probabilities, above the threshold.
    frames = {name: pd.read_parquet(ModelPaths("kinds", name).final / "predictions.parquet") for name in config.models}
    mean = sum(blend["weights"][name] * frame["yes"] for name, frame in frames.items())
    assert (submission["kind"] == np.where(mean > threshold, "yes", "no")).all()
    truth = pd.read_csv(tmp_path / "files/solution.csv")["kind"]
    plain = f1_score(truth, np.where(mean > 0.5, "yes", "no"), pos_label="yes")
    assert f1_score(truth, submission["kind"], pos_label="yes") > plain

    predict.run("kinds", tmp_path / "data/kinds/raw/test.csv", tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == CompetitionPaths("kinds").submission.read_bytes()

    competition, schema = config.competition("kinds"), Schema.from_json(read_json(CompetitionPaths("kinds").schema))
    finals = {name: ModelPaths("kinds", name).final for name in config.models}
    for name, final in finals.items():
        shutil.copytree(final, tmp_path / "champion" / name)
    answers = answer(competition, schema, {name: name for name in config.models}, Ensemble.from_json(blend))
    (tmp_path / "champion/answer.json").write_text(json.dumps(answers))
    raw = pd.read_csv(tmp_path / "files/test.csv", dtype=str, keep_default_na=False)
    champion = load_answering(tmp_path / "champion").answer(raw)
    assert champion["kind"].tolist() == submission["kind"].tolist()

    # A lone model takes thresholds of its own. Its scores are plain everywhere; what they add is `decided`.
    for name, final in finals.items():
        own = read_json(final / "answer.json")["decision"]["thresholds"]["yes"]
        assert blend["models"][name]["decision"]["thresholds"]["yes"] == own
        submitted = pd.read_csv(final / "submission.csv")["kind"]
        assert (submitted == np.where(frames[name]["yes"] > own, "yes", "no")).all()
        assert load_answering(final).answer(raw)["kind"].tolist() == submitted.tolist()
        plain = read_json(ModelPaths("kinds", name).tuned / "scores.json")
        assert {key: blend["models"][name][key] for key in ("train", "valid", "spread")} == {
            key: plain[key] for key in ("train", "valid", "spread")
        }
        assert list(blend["models"][name]["folds"].values()) == [fold["valid"] for fold in plain["folds"]]
        assert blend["models"][name]["decided"] > plain["valid"]

    capsys.readouterr()
    leaderboard.run("kinds")
    told = capsys.readouterr().out
    assert f"blend: thresholds yes: {threshold:.3f}; validation {blend['steps']['blended']:.5f} without" in told
    report.run(config, "kinds")
    folder = CompetitionPaths("kinds").report
    assert '">yes above</th>' in (folder / "index.html").read_text(encoding="utf-8")
    table = (folder / "report.md").read_text(encoding="utf-8").partition("## Thresholds")[2]
    assert f"| blend | {threshold:.3f} | {blend['valid']:.5f} | {blend['decided']:.5f} |" in table
    for name, one in blend["models"].items():
        assert f"| {name.removeprefix('kinds-')} | {one['decision']['thresholds']['yes']:.3f} |" in table
    rows = {row["model"]: row for row in leaderboard.leaderboard_rows(config, competition)}
    for name, one in blend["models"].items():
        assert rows[name]["folds"] == list(one["folds"].values())
        assert (rows[name]["valid"], rows[name]["decided"]) == (one["valid"], one["decided"])
    assert (rows["blend"]["valid"], rows["blend"]["decided"]) == (blend["valid"], blend["decided"])
    known = read_json(CompetitionPaths("kinds").scores)
    assert known["blend"]["decided"] == blend["decided"]
    assert known["kinds-logistic"]["valid"] == blend["models"]["kinds-logistic"]["valid"]


def test_ordered_classes_and_a_level_two_model_reach_raw_rows(through, tmp_path):
    from pipeline.commands import predict

    through([1, 2, 3, 4], "quadratic_weighted_kappa", {"name": "stacked", "non_negative": True})
    blend = read_json(CompetitionPaths("kinds").blend)
    assert len(blend["intercept"]) == 4
    assert len(blend["decision"]["cuts"]) == 3
    assert blend["decided"] > blend["steps"]["blended"]
    predict.run("kinds", tmp_path / "data/kinds/raw/test.csv", tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == CompetitionPaths("kinds").submission.read_bytes()


def test_calibrated_probabilities_are_what_is_submitted(through, tmp_path):
    from pipeline.commands import predict

    config = through(["no", "yes"], "log_loss", {"name": "equal", "calibration": "sigmoid"}, "probabilities")
    blend = read_json(CompetitionPaths("kinds").blend)
    frames = [pd.read_parquet(ModelPaths("kinds", name).final / "predictions.parquet") for name in config.models]
    mean = sum(frame["yes"] for frame in frames) / 2
    first, second = blend["calibration"]["biases"]
    scores = blend["calibration"]["power"] * np.log(mean / (1 - mean)) + second - first
    submission = pd.read_csv(CompetitionPaths("kinds").submission)["kind"]
    np.testing.assert_allclose(submission, 1 / (1 + np.exp(-scores)), rtol=1e-9)
    assert blend["decision"] is None
    predict.run("kinds", tmp_path / "data/kinds/raw/test.csv", tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == CompetitionPaths("kinds").submission.read_bytes()


def test_a_leak_stops_the_blend(through):
    from pipeline.stages import blend

    config = through(["no", "yes"], "f1", "stacked")
    before = CompetitionPaths("kinds").blend.read_bytes()
    blend.run(config, "kinds")
    assert CompetitionPaths("kinds").blend.read_bytes() == before  # the same bytes again
    place = ModelPaths("kinds", "kinds-shrunk").tuned / "predictions.parquet"
    table = pd.read_parquet(place)
    table.loc[10, FOLD] = (table.loc[10, FOLD] + 1) % 4
    place.unlink()  # it may be a link
    table.to_parquet(place, index=False)
    with pytest.raises(UserError, match=r"kinds-shrunk: .*fold that did not train on its row, got row 10"):
        blend.run(config, "kinds")
    assert CompetitionPaths("kinds").blend.read_bytes() == before


def test_a_stage_by_hand_before_the_one_that_it_needs_is_told_plainly(bench):
    bench.write()
    for stage in ("fetch", "preprocess", "train"):
        assert bench.run(stage, "toy")[0] == 0
    code, lines = bench.run("blend", "toy")
    assert code == 2 and len(lines) == 1 and "not there yet; run `dvc repro` to make it" in lines[0], lines
