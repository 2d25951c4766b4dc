"""What the tracking API shows after a `dvc repro`: the runs that people compare, and what stands below them."""

from __future__ import annotations

import json
import re

import pytest
from projects import Project

pytestmark = pytest.mark.timeout(900)  # whichever comes first waits for `two_runs`
SUMMARIES = "tags.`podium.level` = 'summary'"


@pytest.fixture(scope="module")
def seen(delivered: Project):
    """MLflow's client and experiment after the records of a whole run, which reached no server, are sent."""
    assert "did not take" not in delivered.output
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{delivered.root / 'mlflow.db'}")
    return client, client.get_experiment_by_name("lines")


@pytest.fixture(scope="module")
def summaries(seen) -> dict:
    client, experiment = seen
    found = client.search_runs([experiment.experiment_id], SUMMARIES, order_by=["metrics.`rmse` ASC"])
    return {run.info.run_name: run for run in found}


def below(seen, run, level: str) -> list:
    client, experiment = seen
    asked = f"tags.`mlflow.parentRunId` = '{run.info.run_id}' AND tags.`podium.level` = '{level}'"
    return client.search_runs([experiment.experiment_id], asked)


def test_there_is_one_summary_run_a_model_and_one_of_the_blend(summaries):
    assert set(summaries) == {"ridge", "linear", "trees", "blend"}
    assert {run.info.status for run in summaries.values()} == {"FINISHED"}


def test_scores_stand_under_the_metrics_own_name_with_what_a_model_costs(summaries, undisturbed):
    for name in ("ridge", "linear", "trees"):
        metrics = summaries[name].data.metrics
        scores = json.loads(undisturbed.data("lines", "tuned", f"lines-{name}", "scores.json").read_text())
        assert metrics["rmse"] == scores["valid"]
        assert metrics["train_rmse"] == scores["train"] and metrics["rmse_std"] == scores["spread"]
        assert metrics["seconds"] > 0 and metrics["memory_mb"] > 10
    assert summaries["ridge"].data.metrics["trials"] == 4
    assert {"rmse", "rmse_std", "baseline"} <= set(summaries["blend"].data.metrics)


def test_settings_that_people_compare_and_no_others_are_params(summaries):
    params = summaries["linear"].data.params
    assert params["model.name"] == "linear" and params["fit.epochs"] == "3" and params["features"] == "numbers"
    assert not [key for key in params if key.startswith(("features.", "split.", "task."))]
    assert "tuned.model.alpha" in summaries["ridge"].data.tags


def test_stages_stand_below_the_summary_and_folds_and_trials_below_these(seen, summaries):
    stages = {run.data.tags["podium.stage"]: run for run in below(seen, summaries["ridge"], "stage")}
    assert {"train", "tune"} <= set(stages)
    assert len(below(seen, stages["train"], "fold")) == 3
    assert {run.info.run_name for run in below(seen, stages["tune"], "trial")} == {f"trial {i}" for i in range(4)}
    assert {run.data.tags["podium.stage"] for run in below(seen, summaries["blend"], "stage")} == {"submit", "report"}


def test_the_mean_folds_curves_stand_on_the_stages_run(seen, summaries):
    client, _ = seen
    (train,) = [run for run in below(seen, summaries["linear"], "stage") if run.data.tags["podium.stage"] == "train"]
    mean = [point.value for point in client.get_metric_history(train.info.run_id, "train_loss")]
    folds = [
        [point.value for point in client.get_metric_history(fold.info.run_id, "train_loss")]
        for fold in below(seen, train, "fold")
    ]
    assert len(mean) == 3
    assert mean == pytest.approx([sum(values) / 3 for values in zip(*folds, strict=True)])


def test_the_experiment_says_what_it_is_and_links_the_comparison(seen):
    _, experiment = seen
    note = experiment.tags["mlflow.note.content"]
    assert "**lines**: regression, scored by rmse (lower is better): 120 training rows in 3 folds" in note
    assert f"(#/experiments/{experiment.experiment_id}/runs?viewStateShareKey=podium.rmse&" in note
    assert SUMMARIES in note


def test_the_link_opens_a_saved_view_of_the_models_the_best_first(seen, undisturbed):
    """Asked as the page asks: the view's filter and order, then its columns."""
    client, experiment = seen
    kept = json.loads(experiment.tags["mlflow.sharedViewState.podium.rmse"])
    assert kept["name"] == "Models by rmse, the best first" and kept["createdAt"] <= kept["updatedAt"]
    view = json.loads(kept["state"])
    order = f"{view['orderByKey']} {'ASC' if view['orderByAsc'] else 'DESC'}"
    runs = client.search_runs([experiment.experiment_id], view["searchFilter"], order_by=[order])
    blend = json.loads(undisturbed.data("lines", "blend.json").read_text())
    scores = {"blend": blend["valid"], **{name[6:]: one["valid"] for name, one in blend["models"].items()}}
    assert [run.info.run_name for run in runs] == sorted(scores, key=lambda name: scores[name])
    charts = [key for run in runs for key in run.data.metrics if re.search(view["chartsSearchFilter"], key)]
    assert {*charts} == {"rmse", "train_rmse", "rmse_std", "seconds", "memory_mb", "size_mb"}
    for column in view["selectedColumns"]:
        kind, name = column.replace("`", "").split(".", 1)
        assert any(name in getattr(run.data, kind) for run in runs), column


def test_the_report_is_an_artifact_of_the_blends_run(seen, summaries):
    client, _ = seen
    files = {file.path for file in client.list_artifacts(summaries["blend"].info.run_id, "report")}
    assert {"report/index.html", "report/report.json", "report/report.md"} <= files
    figures = {file.path for file in client.list_artifacts(summaries["blend"].info.run_id, "figures")}
    assert {"figures/leaderboard.png", "figures/residuals.png", "figures/distribution.png"} <= figures


def test_registered_versions_have_a_signature_an_example_and_a_description(seen):
    client, _ = seen
    import mlflow

    version = client.get_model_version_by_alias("lines", "champion")
    assert version.description.startswith("**blend** of lines: rmse ")
    assert f"models:/lines/{version.version}" in version.description
    mlflow.set_tracking_uri(client.tracking_uri)
    information = mlflow.models.get_model_info(f"models:/lines/{version.version}")
    assert "y" in information.signature.outputs.input_names()
    assert "y" not in information.signature.inputs.input_names()
    assert information.saved_input_example_info is not None
