"""What a fold is encoded with."""

import numpy as np
import pandas as pd
import pytest
from projects import Project

from pipeline.core.types import FOLD


@pytest.fixture
def data_of(tmp_path, monkeypatch):
    """The training data of a small table through target encoding, by a split."""
    from pipeline.stages import fetch, preprocess
    from pipeline.stages.project import load_project
    from pipeline.training.data import TrainingData

    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"id": range(240), "x": random.normal(size=240), "shop": random.choice(list("abcdef"), 240)})
    rows["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.permutation(240), unit="D")
    rows["town"] = rows["shop"] + random.choice(["1", "2"], 240)
    rows["sold"] = rows["x"] + rows["shop"].map(dict(zip("abcdef", range(6))))
    files = tmp_path / "files"
    files.mkdir()
    rows[:200].to_csv(files / "train.csv", index=False)
    rows[200:].drop(columns="sold").to_csv(files / "test.csv", index=False)
    rows[200:][["id", "sold"]].assign(sold=0).to_csv(files / "sample_submission.csv", index=False)

    def made(split, **columns):
        competition = {
            "source": {"name": "files", "path": str(files)},
            "columns": {"id": "id", "target": "sold", "types": {"town": "category"}, **columns},
            "task": "regression",
            "metric": "rmse",
            "split": split,
            "features": {"mean": {"name": "tabular", "categories": "target", "scale": "none", "precision": "double"}},
            "blend": "equal",
            "submission": "values",
        }
        model = {"competition": "shops", "features": "mean", "model": "ridge"}
        Project(tmp_path).params({"competitions": {"shops": competition}, "models": {"shops-ridge": model}})
        config = load_project()
        fetch.run(config, "shops")
        preprocess.run(config, "shops")
        return TrainingData(config.competition("shops"), "mean")

    return made


def test_a_fold_is_cross_fitted_by_groups_where_the_competition_is(data_of):
    data = data_of({"name": "grouped", "folds": 3}, group="shop", drop=["day"])
    for k in (*data.folds, None):
        fold = data.fold(k)
        rows = data.rows if k is None else data.rows[data.rows[FOLD] != k].reset_index(drop=True)
        encoded = fold.train["numbers"][:, fold.spec.names["numbers"].index("town mean target")]
        for training, held_out in fold.inner_folds():
            assert not set(rows["shop"][training]) & set(rows["shop"][held_out])
            # No town of a shop is known from other shops: all its rows get these shops' mean.
            np.testing.assert_allclose(encoded[held_out], rows["sold"][training].mean(), rtol=1e-12)
        assert sum(len(held_out) for _, held_out in fold.inner_folds()) == len(rows)


def test_a_fold_is_encoded_from_the_past_where_time_orders_it(data_of):
    data = data_of({"name": "time_ordered", "folds": 3}, time="day", drop=["shop"])
    for k in (*data.folds, None):
        rows = data.rows if k is None else data.rows[data.rows[FOLD] < k].reset_index(drop=True)
        pairs = data.fold(k).inner_folds()
        assert len(pairs) == 3
        for training, held_out in pairs:
            assert rows["day"][training].max() < rows["day"][held_out].min()


@pytest.mark.parametrize("stage", ["train", "tune", "retrain"])
def test_a_stage_knows_the_columns_that_its_folds_are_cross_fitted_by(data_of, stage):
    from pipeline.stages import snapshot
    from pipeline.stages.project import load_project
    from pipeline.training.data import TrainingData

    data = data_of({"name": "grouped", "folds": 3}, group="shop", drop=["day"])
    file = data.paths.checked(stage)
    file.parent.mkdir(parents=True)
    file.write_text(snapshot.snapshot(load_project(), "shops", stage))
    config, _ = snapshot.read("shops", stage)
    seen = TrainingData(config.competition("shops"), "mean").fold(0)
    for (training, held_out), pair in zip(seen.inner_folds(), data.fold(0).inner_folds(), strict=True):
        np.testing.assert_array_equal(training, pair[0])
        np.testing.assert_array_equal(held_out, pair[1])


@pytest.mark.parametrize(
    ("edited", "told"), [("splits/grouped.py", True), ("splits/inner_folds.py", True), ("splits/stratified.py", False)]
)
def test_encoded_folds_hang_on_their_splits_code(data_of, monkeypatch, edited, told):
    from pipeline.core import code

    def digest():
        return data_of({"name": "grouped", "folds": 3}, group="shop", drop=["day"]).digest

    before, digest_of = digest(), code._digest_of
    monkeypatch.setattr(
        code, "_digest_of", lambda file: "another" if file == code.PACKAGE / edited else digest_of(file)
    )
    assert (digest() != before) is told
