"""Gallery entries through the very same stages: text, a language model, translation, images, house prices.

The book's linear model is cross-validated by ``notebooks/house_prices.ipynb``, which ``test_notebooks`` runs.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml
from in_process import through
from projects import SHARED, Project

from pipeline.commands import add, score
from pipeline.core.files import read_json


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    """A folder where stages run in this process, one after another: what DVC does is the same for all of them."""
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def added(project: Project, name: str, source: Path | None = None) -> dict:
    """What ``add`` writes, for jobs one after another."""
    add.run(name, source=source and str(source), target=None, id=None, metric=None, minutes=None)
    declared = yaml.safe_load((project.root / "params.yaml").read_text(encoding="utf-8"))
    return {**declared, "execution": {"executor": "serial"}}


@pytest.mark.parametrize(
    ("name", "model", "better_than", "higher"),
    [
        ("digits", "lenet", 0.93, True),  # accuracy
        ("emoji-languages", "bag", 0.8, True),  # accuracy, one in six by chance
        ("pydoc-topics", "lstm", 9.0, False),  # perplexity a character; about 90 by chance
        ("french-interface", "transformer", 6.0, True),  # BLEU
    ],
)
def test_a_seam_is_cross_validated_retrained_and_submitted(project, capsys, name, model, better_than, higher):
    declared = added(project, name)
    fit = declared["models"][f"{name}-{model}"]["fit"]
    if name == "french-interface":  # one of its two models, which needs half of the way to find words at all
        del declared["models"]["french-interface-seq2seq"]
    fit["epochs"] = max(1, fit["epochs"] // (2 if name == "french-interface" else 3))  # which shows that it learns
    project.params(declared)
    through(name)
    scores = read_json(project.data(name, "cv", f"{name}-{model}", "scores.json"))
    assert (scores["valid"] > better_than) == higher
    assert len(scores["folds"]) == (1 if name in ("pydoc-topics", "french-interface") else 3)
    blend = read_json(project.data(name, "blend.json"))
    assert name != "pydoc-topics" or blend["valid"] < scores["valid"]  # an n-gram beside it
    submission = pd.read_csv(project.data(name, "submission.csv"), keep_default_na=False)
    sample = pd.read_csv(project.data(name, "raw", "sample_submission.csv"), keep_default_na=False)
    assert list(submission) == list(sample)
    assert (submission["id"] == sample["id"]).all()
    capsys.readouterr()
    score.run(name, solution=None, submission=None)
    tested = float(capsys.readouterr().out.split()[-1])
    assert abs(tested - blend["valid"]) < 0.25 * blend["valid"]
    assert (project.data(name, "report", "index.html")).stat().st_size > 10_000


@pytest.mark.skipif(not (SHARED / "house_prices").exists(), reason="needs Kaggle's House Prices files")
def test_two_models_of_the_default_set_blend_below_the_bar(project):
    """Without any search: support vectors and LightGBM as the gallery declares them."""
    declared = added(project, "house_prices", SHARED / "house_prices")
    kept = {}
    for key in ("house_prices-lightgbm", "house_prices-support-vectors"):
        kept[key] = {k: v for k, v in declared["models"][key].items() if k != "tune"}
    project.params({**declared, "models": kept})
    through("house_prices", "blend")
    blend = read_json(project.data("house_prices", "blend.json"))
    assert blend["valid"] <= 0.118
    assert blend["valid"] < min(one["valid"] for one in blend["models"].values())
