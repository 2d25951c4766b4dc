"""``add`` refuses what could not be submitted in the end; params.yaml stays as it was."""

from __future__ import annotations

import pytest

from pipeline.commands.add import run
from pipeline.core.config import load_config
from pipeline.core.errors import UserError
from pipeline.stages.project import shelves

KINDS = ("ant", "bee", "cat", "dog", "eel", "fox")
ANSWER = ["no", "yes"]


def rows(first: int, last: int, kinds=None) -> str:
    head = "id,size,weight" + (",kind\n" if kinds else "\n")
    line = "{},{}.5,{}" + (",{}\n" if kinds else "\n")
    return head + "".join(
        line.format(i, i * 7 % 11, i * 5 % 13, kinds[i % len(kinds)] if kinds else "") for i in range(first, last)
    )


def sample(value: str, columns: str = "kind", first: int = 300, last: int = 330) -> str:
    return f"id,{columns}\n" + "".join(f"{i},{value}\n" for i in range(first, last))


def add(project, kinds, sample_submission: str, **options):
    files = {"train": rows(0, 300, kinds), "test": rows(300, 330), "sample_submission": sample_submission}
    for name, text in files.items():
        (project / f"{name}.csv").write_text(text)
    run("toy", **{"source": ".", "target": None, "id": None, "metric": None, "minutes": None, **options})
    return load_config(shelves()).competition("toy")


PROBABILITIES = "--metric: '{}' is of probabilities, and the sample submission takes none: "


@pytest.mark.parametrize(
    ("kinds", "sample_submission", "metric", "told"),
    [
        (KINDS, sample("ant"), "roc_auc", PROBABILITIES + "sample submission: probabilities need one column for each"),
        (KINDS, sample("ant"), "log_loss", PROBABILITIES + "sample submission: probabilities need one column for each"),
        (ANSWER, sample("no"), "roc_auc", PROBABILITIES + "sample submission: its column 'kind' holds words"),
        (KINDS, sample("0.2,0.8", "ant,bee"), None, "sample submission: probabilities need one column for each"),
        ([1.5, 2.5, 3.25], sample("1.5,2", "kind,other"), "rmse", "sample submission: needs one column beside the id"),
        (KINDS, sample("ant", last=329), None, "sample submission: id 329 of the test rows is missing (1 such in all)"),
        (KINDS, sample("ant", first=299), None, "test rows: id 299 of the sample submission is missing"),
        (KINDS, "id,kind\n", None, "sample_submission.csv: has column names"),  # and no folder that is gone
    ],
    ids=[
        "six classes",
        "log loss",
        "texts",
        "two of six",
        "two numbers",
        "an id too few",
        "an id too many",
        "an empty file",
    ],
)
def test_what_cannot_be_submitted_is_refused(tmp_path, monkeypatch, kinds, sample_submission, metric, told):
    monkeypatch.chdir(tmp_path)
    target = "kind" if metric == "rmse" or "," in sample_submission.splitlines()[0][3:] else None
    with pytest.raises(UserError) as caught:
        add(tmp_path, kinds, sample_submission, metric=metric, target=target)
    assert str(caught.value).startswith(told.format(metric)) and "\n" not in str(caught.value)
    assert not (tmp_path / "params.yaml").exists()


@pytest.mark.parametrize(
    ("kinds", "sample_submission", "metric", "wanted"),
    [
        (KINDS, sample("0,0,0,0,0,1", ",".join(KINDS)), "roc_auc", "probabilities"),
        (KINDS, sample("0,0,0,0,0,1", ",".join(KINDS)), "accuracy", "probabilities"),
        (KINDS, sample("bee"), "balanced_accuracy", "classes"),
        (ANSWER, sample("0.5"), "roc_auc", "probabilities"),
        ((0, 1), sample("0"), "roc_auc", "probabilities"),
        ((0, 1), sample("0"), None, "classes"),
    ],
)
def test_what_can_be_submitted_is_added(tmp_path, monkeypatch, kinds, sample_submission, metric, wanted):
    monkeypatch.chdir(tmp_path)
    assert add(tmp_path, kinds, sample_submission, metric=metric).submission.format == wanted
