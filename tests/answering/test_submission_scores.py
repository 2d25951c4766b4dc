"""Submissions scored against a solution, and read as they were written."""

import pandas as pd
import pytest
from sklearn import metrics as sk
from test_submissions import form

from pipeline.answering.submissions import check_submission, make_submission, score_submission
from pipeline.core.errors import UserError
from pipeline.metrics import metrics


def files(tmp_path, submission, solution):
    pd.DataFrame(submission).to_csv(tmp_path / "submission.csv", index=False)
    pd.DataFrame(solution).to_csv(tmp_path / "solution.csv", index=False)
    return tmp_path / "submission.csv", tmp_path / "solution.csv"


def score(paths, metric, settings):
    return score_submission(*paths, metric=metrics.build(metric, "metric"), **settings)


LABELS_OF = {**form("classes", id_column="Id", target_column="a, b"), "targets": ("a", "b")}


@pytest.mark.parametrize(
    ("in_sample", "expected"),
    [
        ([0, 0], [0, 1]),
        ([0.0, 0.0], [0.0, 1.0]),
        ([False, False], [False, True]),
        (["no", "no"], ["no", "yes"]),
        (["Yes", "No"], ["No", "Yes"]),
        (["N", "N"], ["N", "Y"]),
        (["?", "?"], [0, 1]),
    ],
)
def test_labels_are_written_as_the_sample_has_them_and_read_so_too(in_sample, expected, tmp_path):
    """Of two equally probable ones the first is taken, as metrics do."""
    no, yes = expected
    sample = pd.DataFrame({"Id": [1, 2], "a": in_sample, "b": in_sample})
    told = pd.DataFrame({"a": [0.9, 0.5], "b": [0.2, 0.6]})
    made = make_submission(told, pd.Series([1, 2]), sample, **LABELS_OF)
    assert made["a"].tolist() == [yes, no] and made["b"].tolist() == [no, yes]
    assert type(made["a"].tolist()[0]) is type(yes)
    check_submission(made, sample, **LABELS_OF)
    paths = files(tmp_path, made, {"Id": [2, 1], "a": [no, yes], "b": [None, yes]})  # a cell without an answer
    mean = {"name": "mean_over_targets", "of": "accuracy"}
    assert score(paths, mean, LABELS_OF) == 0.5
    with pytest.raises(UserError, match=r"mean_columnwise_auc: needs probabilities, and submission\.csv holds classes"):
        score(paths, "mean_columnwise_auc", LABELS_OF)
    paths = files(tmp_path, made, {"Id": [2, 1], "a": [no, "perhaps"], "b": yes})
    with pytest.raises(
        UserError, match=r"solution\.csv: column 'a' needs numbers, or labels such as yes and no, got perh"
    ):
        score(paths, mean, LABELS_OF)


def test_a_score_joins_by_id_in_any_order(tmp_path):
    paths = files(
        tmp_path, {"Id": [3, 1, 2], "y": [30.0, 11.0, 22.0]}, {"Id": [1, 2, 3], "y": [10, 20, 30], "Usage": "Public"}
    )
    assert score(paths, "mae", form()) == pytest.approx(1.0)
    assert score(paths, "rmse", form()) == pytest.approx(sk.root_mean_squared_error([10, 20, 30], [11, 22, 30]))


def test_a_score_of_classes_and_of_probabilities(tmp_path):
    truth = ["no", "yes", "yes", "no"]
    solution = {"Id": [1, 2, 3, 4], "y": truth}
    guess = ["no", "yes", "no", "no"]
    paths = files(tmp_path, {"Id": [1, 2, 3, 4], "y": guess}, solution)
    for metric, expected in {
        "accuracy": 0.75,
        "f1": sk.f1_score(truth, guess, pos_label="yes"),
        "matthews": sk.matthews_corrcoef(truth, guess),
    }.items():
        assert score(paths, metric, form("classes", ["no", "yes"])) == pytest.approx(expected)
    with pytest.raises(UserError, match=r"metric log_loss: needs probabilities, and submission\.csv holds classes"):
        score(paths, "log_loss", form("classes", ["no", "yes"]))
    paths = files(tmp_path, {"Id": [4, 3, 2, 1], "y": [0.2, 0.6, 0.7, 0.3]}, solution)
    binary = form("probabilities", ["no", "yes"])
    assert score(paths, "roc_auc", binary) == 1.0
    assert score(paths, "log_loss", binary) == pytest.approx(sk.log_loss([0, 1, 1, 0], [0.3, 0.7, 0.6, 0.2]))
    by_class = {"Id": [1, 2, 3, 4], "Class_2": [0.1, 0.8, 0.7, 0.3], "Class_1": [0.9, 0.2, 0.3, 0.7]}
    paths = files(tmp_path, by_class, {"Id": [1, 2, 3, 4], "y": [1, 2, 2, 1]})
    assert score(paths, "accuracy", form("probabilities", [1, 2])) == 1.0


def test_a_score_reads_truth_values_in_any_spelling(tmp_path):
    paths = files(tmp_path, {"Id": [1, 2], "y": [True, False]}, {"Id": [2, 1], "y": [0, 1]})
    for classes in ([0, 1], ["False", "True"], [False, True]):
        assert score(paths, "accuracy", form("classes", classes)) == 1.0


def test_a_score_passes_over_spaces_around_some_classes(tmp_path):
    paths = files(tmp_path, {"Id": [1, 2, 3], "y": ["no", "yes", "yes"]}, {"Id": [1, 2, 3], "y": ["no", " yes", "no "]})
    assert score(paths, "accuracy", form("classes", ["no", "yes"])) == pytest.approx(2 / 3)


def test_a_score_of_translations_and_without_ids(tmp_path):
    paths = files(tmp_path, {"y": ["le chat est la", "oui monsieur le juge"]}, {"y": ["le chat est la", "non"]})
    assert score(paths, "chrf", form(id_column=None)) > 20
    paths = files(tmp_path, {"ImageId": [2, 1], "y": [2.0, 1.0]}, {"ImageId": [1, 2], "y": [1.0, 2.0]})
    assert score(paths, "mae", form(id_column=None)) == 0.0


@pytest.mark.parametrize(
    ("submission", "solution", "settings", "message"),
    [
        ({"Id": [1, 2], "y": 1.0}, {"Id": [1, 3], "y": 1.0}, form(), "submission.csv: id 3 of the solution.csv is"),
        ({"Id": [1, 2, 3], "y": 1.0}, {"Id": [1, 3], "y": 1.0}, form(), "solution.csv: id 2 of the submission.csv is"),
        ({"Id": [1, 1], "y": 1.0}, {"Id": [1, 3], "y": 1.0}, form(), "submission.csv: needs each id once, got 1 twice"),
        ({"Id": [1, 2], "y": 1.0}, {"Id": [2, 2], "y": 1.0}, form(), "solution.csv: needs each id once, got 2 twice"),
        ({"Id": [1, 2], "y": [1, "x"]}, {"Id": [1, 2], "y": 1.0}, form(), "'y' needs numbers, got x in row 2"),
        ({"Id": [1], "y": 1.0}, {"Id": [1], "Y": 1.0}, form(), "solution.csv: no column 'y'; did you mean 'Y'"),
        ({"Id": [1], "y": 1.0}, {"Idx": [1], "y": 1.0}, form(), "solution.csv: no id column 'Id'"),
        ({"Idx": [1], "y": 1.0}, {"Id": [1], "y": 1.0}, form(), "submission.csv: no id column 'Id'"),
        (
            {"y": [1.0, 2.0]},
            {"y": [1.0]},
            form(id_column=None),
            "submission.csv: needs as many rows as solution.csv",
        ),
        (
            {"Id": [1, 2], "y": ["a", "c"]},
            {"Id": [1, 2], "y": ["a", "b"]},
            form("classes", ["a", "b"]),
            "submission.csv: column 'y' needs one of the classes a, b, got c in row 2",
        ),
    ],
)
def test_a_score_refuses(tmp_path, submission, solution, settings, message):
    with pytest.raises(UserError, match=message):
        score(files(tmp_path, submission, solution), "accuracy" if settings["classes"] else "rmse", settings)
