"""How DVC's users compare: metrics, plots, params and experiments, through the real commands."""

from __future__ import annotations

import csv
import io
import shutil

import pytest
from projects import ROOT, Project, three_models

from pipeline.core.files import read_json

pytestmark = [
    pytest.mark.timeout(900),  # whichever comes first waits for `two_runs`
    pytest.mark.skipif(shutil.which("git") is None, reason="experiments need git"),
]

SETTING = "models.lines-linear.fit.learning_rate"
BLEND = "blend@lines"
"""The last stage that an experiment's scores come from."""


@pytest.fixture(scope="module")
def versioned(undisturbed, tmp_path_factory) -> Project:
    """The finished project in a git repository of its own."""
    project = undisturbed.copy(tmp_path_factory.mktemp("versioned") / "project")
    shutil.copyfile(ROOT / ".dvc" / "config", project.root / ".dvc" / "config")
    for file in (".gitignore", ".dvc/.gitignore"):
        shutil.copyfile(ROOT / file, project.root / file)
    shutil.rmtree(project.root / "trace")
    project.run("git", "init", "--quiet")
    project.run("git", "config", "user.name", "somebody")
    project.run("git", "config", "user.email", "somebody@example.com")
    project.run("git", "add", ".")
    project.run("git", "commit", "--quiet", "--message", "as it is")
    return project


def kept_models(project: Project) -> set[str]:
    """The names in the project's store; none where nothing was fitted there yet."""
    store = project.root / ".podium" / "models"
    return {path.name for path in store.iterdir()} if store.exists() else set()


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_metrics_show_every_model_and_fold(versioned):
    shown = read_json(versioned.data("lines", "scores.json"))
    assert set(shown) == {"blend", *three_models()["models"]}
    heads = versioned.run("dvc", "metrics", "show", "--md").splitlines()[0]
    for model in ("blend", *three_models()["models"]):
        assert all(f" {model}.folds.{k} " in heads for k in range(3))
        assert f" {model}.valid " in heads


def test_plots_show_a_page_with_every_curve(versioned):
    versioned.run("dvc", "plots", "show", "--out", "plots_page")
    page = (versioned.root / "plots_page" / "index.html").read_text()
    assert all(name in page for name in ("lines-linear.csv", "lines-trees.csv", "folds.csv", "valid_score"))


def test_an_experiment_is_a_row_beside_what_it_changed(versioned, undisturbed):
    output = versioned.run("dvc", "exp", "run", "--name", "faster", "--set-param", f"{SETTING}=0.3", BLEND)
    assert "lines-linear: 3 folds" in output
    assert "lines-trees: " not in output  # nothing else is fitted again
    rows = {row["Experiment"] or row["rev"]: row for row in table(versioned.run("dvc", "exp", "show", "--csv"))}
    assert rows["faster"][SETTING] == "0.3"
    assert rows["master" if "master" in rows else "main"][SETTING] == "0.1"
    scored = {name: float(row["lines-linear.valid"]) for name, row in rows.items()}
    before = read_json(undisturbed.data("lines", "scores.json"))["lines-linear"]["valid"]
    assert scored["faster"] != pytest.approx(before)
    assert SETTING in versioned.run("dvc", "params", "diff")
    assert "lines-linear.valid" in versioned.run("dvc", "metrics", "diff")


def test_in_a_temporary_copy_studies_and_models_are_the_project_s(versioned):
    versioned.run("git", "checkout", "--quiet", ".")
    versioned.run("dvc", "checkout", "--quiet")
    kept = kept_models(versioned)
    versioned.run("dvc", "exp", "run", "--temp", "--name", "aside", "--set-param", f"{SETTING}=0.2", BLEND)
    assert kept_models(versioned) > kept
    rows = {row["Experiment"] or row["rev"]: row for row in table(versioned.run("dvc", "exp", "show", "--csv"))}
    assert rows["aside"][SETTING] == "0.2"
    assert versioned.run("git", "status", "--short", "--untracked-files=no") == ""
