"""Columns of one's own that learn from rows: a class, fitted inside each fold."""

from __future__ import annotations

import builtins
import json
import os

import numpy as np
import pandas as pd
import pytest
from bench import TEST

from pipeline.commands import look
from pipeline.core.types import FOLD
from pipeline.features.learned import _from_json, _to_json
from pipeline.stages.project import load_project
from pipeline.training.data import TrainingData

PATH = "pipeline/features/own/mine.py"

LEARNING = """
import pandas as pd

class Means:
    def fit(self, rows, target):
        self.overall = float(target.mean())
        self.mean = target.groupby(rows["size"]).mean().to_dict()

    def transform(self, rows):
        return pd.DataFrame({"mean": rows["size"].map(self.mean).fillna(self.overall), "odd": rows["colour"] + "!"})
"""


def test_what_learns_is_fitted_inside_each_fold_and_cross_fitted_on_training_rows(bench, capsys):
    place = bench.root / PATH
    place.parent.mkdir(parents=True)
    place.write_text(LEARNING)
    bench.competition |= {"own_columns": PATH, "features": {"trees": {"name": "categorical"}}}
    bench.model |= {"features": "trees", "model": {"name": "extra_trees"}}
    bench.write()
    for stage in ("fetch", "preprocess"):
        code, lines = bench.run(stage, "toy")
        assert code == 0, lines
    data = TrainingData(load_project().competition("toy"), "trees")
    rows = pd.read_parquet(bench.root / "data" / "toy" / "rows" / "train.parquet")
    for k in data.folds:
        fold, learned = data.fold(k), rows[rows[FOLD] != k]
        column = fold.spec.names["numbers"].index("mean")
        means = learned.groupby("size")["y"].mean()
        held = rows[rows[FOLD] == k]
        expected = held["size"].map(means).fillna(learned["y"].mean())
        np.testing.assert_allclose(fold.valid["numbers"][:, column], expected, rtol=1e-6)
        # Training rows are answered by what the others of the fold taught.
        for learn, answer in fold.inner_folds():
            part = learned.iloc[learn]
            inner = learned.iloc[answer]["size"].map(part.groupby("size")["y"].mean()).fillna(part["y"].mean())
            np.testing.assert_allclose(fold.train["numbers"][answer, column], inner, rtol=1e-6)
    look.run("toy")
    assert f"feature set trees (categorical, and columns that {PATH} learns), the first row:" in capsys.readouterr().out
    for stage in ("train", "tune", "blend", "retrain", "submit"):
        code, lines = bench.run(stage, "toy")
        assert code == 0, lines
    (bench.root / "new.csv").write_text(TEST)
    assert bench.run("predict", "toy", "--in", "new.csv", "--out", "answers.csv")[0] == 0
    assert (bench.root / "answers.csv").read_text() == (bench.root / "data/toy/submission.csv").read_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LEARNING.replace(".to_dict()", ""), "use .to_dict()"),
        (LEARNING.replace("(self.overall)", "(0) - rows['size'].mean()"), "is not row by row: 'mean'"),
        (LEARNING.replace('"mean":', '"size":'), "gives 'size', which the rows have already"),
        (LEARNING + "\nclass Second(Means):\n    pass\n", "several classes"),
        (LEARNING.replace("target.mean()", "target.men()"), "fit raised AttributeError"),
    ],
)
def test_what_does_not_learn_rightly_is_told_before_training(bench, text, told):
    place = bench.root / PATH
    place.parent.mkdir(parents=True)
    place.write_text(LEARNING)
    bench.competition["own_columns"] = PATH
    bench.write()
    assert bench.run("fetch", "toy")[0] == 0
    place.write_text(text)
    code, lines = bench.run("preprocess", "toy")
    assert code == 2 and len(lines) == 1 and told in lines[0] and "mine.py" in lines[0], lines


KEPT = """
import builtins
import json
import os
import pandas as pd

class Keeps:
    def fit(self, rows):
        self.n = 1.0
        LEARN

    def transform(self, rows):
        mean = rows["size"].mean()
        return pd.DataFrame({"mean": rows["size"] - ANSWER})
"""


@pytest.mark.parametrize(
    ("learn", "answer", "told"),
    [
        ("pass", "vars(builtins).setdefault('podium_kept', mean)", "transform is not row by row: 'mean' of row"),
        ("pass", "vars(json).setdefault('podium_kept', mean)", "transform is not row by row: 'mean' of row"),
        ("pass", "float(os.environ.setdefault('PODIUM_KEPT', str(mean)))", "transform is not row by row: 'mean'"),
        ("builtins.podium_kept = 3.0", "builtins.podium_kept", "transform raised AttributeError"),
        (
            "self.n = vars(builtins).setdefault('podium_kept', float(rows['size'].mean()))",
            "self.n",
            "fit learns otherwise in a new process: 'n' is",
        ),
        ("self.n = __import__('random').random()", "self.n", "from a fixed seed"),
        ("self.n = float(len(pd.read_csv('files/train.csv')))", "self.n", "train.csv is a file of rows"),
        ("open('kept.txt', 'w').write('3')", "1", "kept.txt may not be written"),
    ],
    ids=["builtins", "a module", "the environment", "fit's builtins", "from another fold", "chance", "rows", "a file"],
)
def test_what_a_class_keeps_elsewhere_is_seen_in_another_process(bench, learn, answer, told):
    place = bench.root / PATH
    place.parent.mkdir(parents=True)
    place.write_text(KEPT.replace("LEARN", learn).replace("ANSWER", answer))
    bench.competition["own_columns"] = PATH
    bench.write()
    assert bench.run("fetch", "toy")[0] == 0
    code, lines = bench.run("preprocess", "toy")
    vars(json).pop("podium_kept", None), vars(builtins).pop("podium_kept", None)
    assert code == 2 and len(lines) == 1 and told in lines[0] and "mine.py" in lines[0], lines
    assert "PODIUM_KEPT" not in os.environ


def test_a_class_that_asks_for_the_target_is_not_shown_all_rows(bench):
    place = bench.root / PATH
    place.parent.mkdir(parents=True)
    place.write_text(LEARNING)
    bench.competition |= {
        "own_columns": PATH,
        "features": {"numbers": {"name": "tabular", "statistics": "train_and_test"}},
    }
    bench.write()
    assert bench.run("fetch", "toy")[0] == 0
    bench.fails("preprocess", ["mine.py: fit asks for the target", "statistics: train_and_test"], bench.written())


@pytest.mark.parametrize(
    "value",
    [
        1,
        2.5,
        float("nan"),
        float("-inf"),
        "a",
        True,
        None,
        [1, [2, "b"]],
        (1, ("a", 2)),
        {("a", "b"): 1.5},
        {1: 2.0, "1": 3.0, 2.5: None},
        {"pairs": {"float": 1}},
    ],
)
def test_what_was_learned_comes_back_from_json(value):
    back = _from_json(json.loads(json.dumps(_to_json(value, "it"))))
    assert repr(back) == repr(value)


def test_arrays_and_tuples_come_back_as_they_were():
    back = _from_json(json.loads(json.dumps(_to_json({"a": np.arange(6.0).reshape(2, 3), ("x", 1): (1, 2)}, "it"))))
    np.testing.assert_array_equal(back["a"], np.arange(6.0).reshape(2, 3))
    assert back["x", 1] == (1, 2)
