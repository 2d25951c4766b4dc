"""Source ``synthetic``: least squares and softmax regression find the truth again."""

import math

import numpy as np
import pytest

from pipeline.core.errors import Faults
from pipeline.core.files import digest_files, read_json
from pipeline.sources import sources
from pipeline.sources.tables import read_table


def fetch(folder, **settings):
    sources.build({"name": "synthetic", **settings}, "source").fetch(folder, "c")
    names = ("train", "test", "sample_submission", "solution")
    return [read_table(folder / f"{name}.csv") for name in names], read_json(folder / "truth.json")


def least_squares(frame):
    x = frame.filter(regex="^x").to_numpy()
    return np.linalg.lstsq(np.column_stack([np.ones(len(x)), x]), frame["y"].to_numpy(), rcond=None)[0]


def test_linear(tmp_path):
    settings = {"coefficients": [2, -3.4], "intercept": 4.2, "rows": 1000, "test_rows": 300}
    (train, test, sample, solution), truth = fetch(tmp_path, task="linear", **settings)
    assert (train.shape, test.shape, sample.shape, solution.shape) == ((1000, 4), (300, 3), (300, 2), (300, 2))
    assert list(train) == ["id", "x1", "x2", "y"]
    assert truth == {"task": "linear", "noise": 0.01, "coefficients": [2.0, -3.4], "intercept": 4.2}
    np.testing.assert_allclose(least_squares(train), [4.2, 2, -3.4], atol=0.002)
    errors = solution["y"] - (4.2 + test[["x1", "x2"]] @ [2, -3.4])
    assert 0.008 < errors.std() < 0.012


def test_linear_draws_its_own_coefficients(tmp_path):
    (train, *_), truth = fetch(tmp_path, task="linear", features=5, noise=0)
    np.testing.assert_allclose(least_squares(train), [0, *truth["coefficients"]], atol=1e-9)


def test_polynomial(tmp_path):
    settings = {"coefficients": [1.2, -3.4, 5.6], "intercept": 5, "features": 20, "noise": 0.1}
    (train, *_), truth = fetch(tmp_path, task="polynomial", rows=100, test_rows=100, **settings)
    assert train.shape == (100, 22)
    for power in (2, 3, 20):
        expected = train["x1"] ** power / math.factorial(power)
        np.testing.assert_allclose(train[f"x{power}"], expected, rtol=1e-9)
    found = least_squares(train[["x1", "x2", "x3", "y"]])
    np.testing.assert_allclose(found, [5, 1.2, -3.4, 5.6], atol=0.1)
    assert truth["coefficients"] == [1.2, -3.4, 5.6]


def test_classification(tmp_path):
    settings = {"features": 3, "classes": 3, "rows": 20_000, "test_rows": 10, "noise": 1.0}
    (train, _, sample, _), truth = fetch(tmp_path, task="classification", **settings)
    assert set(train["y"]) == {0, 1, 2} and str(sample["y"].dtype) == "int64"
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(train[["x1", "x2", "x3"]], train["y"])
    true = np.array(truth["coefficients"])
    # Softmax weights are known up to a shift of all classes.
    np.testing.assert_allclose(fitted.coef_.T, true - true.mean(axis=1, keepdims=True), atol=0.1)


def test_certain_classes(tmp_path):
    (train, *_), truth = fetch(tmp_path, task="classification", noise=0, rows=50)
    scores = train[["x1", "x2"]].to_numpy() @ np.array(truth["coefficients"]) + truth["intercepts"]
    assert (scores.argmax(axis=1) == train["y"]).all()


def test_the_seed_decides(tmp_path):
    for name, seed in {"a/raw": 1, "b/raw": 1, "c/raw": 2}.items():
        fetch(tmp_path / name, task="linear", seed=seed, rows=10, test_rows=5)
    assert digest_files(tmp_path / "a/raw") == digest_files(tmp_path / "b/raw")
    assert digest_files(tmp_path / "a/raw") != digest_files(tmp_path / "c/raw")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "cubic"}, "task"),
        (
            {"task": "linear", "features": 3, "coefficients": [1]},
            "1 coefficients for 3 features; linear needs",
        ),
        ({"task": "polynomial", "features": 2, "coefficients": [1, 2, 3]}, "polynomial needs 1 to 2"),
        ({"task": "classification", "coefficients": [1, 2]}, "drawn from the seed for classification"),
        ({"task": "linear", "noise": -1}, "noise"),
        ({"task": "linear", "rows": 0}, "rows"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(Faults, match=message):
        sources.build({"name": "synthetic", **settings}, "source")
