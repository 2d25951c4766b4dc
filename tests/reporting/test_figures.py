"""Pictures: whole PNGs, the same bytes each time, whatever the data look like."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.reporting.explained import strongest
from pipeline.reporting.figures import PAINTERS, STYLE, describe, draw
from pipeline.reporting.shapes import frontier

NAN = float("nan")
CURVES = {"folds": [{"train_loss": [3, 2, 1.5], "valid_loss": [3.1, 2.4, 2.2, 2.1]}, {"train_loss": [3, 2]}]}
DATA = {
    "curves": CURVES,
    "gradients": {
        "every": 100,
        "steps": [1, 101],
        "depth": ["layers.0", "layers.2"],
        "layers": {
            "layers.0": {"gradient": [1e-3, 2e-3], "forward": [0.5, 0.4], "backward": [1e-4, None]},
            "layers.1": {"dead": [0.0, 0.5]},
            "layers.2": {"gradient": [1.0, None], "forward": [1.0, 0.9], "backward": [0.1, 0.2]},
        },
    },
    "residuals": {"target": [1.0, 2.0, 4.0], "prediction": [1.5, 2.0, 3.0], "unit": "price"},
    "confusion": {"classes": ["no", "yes"], "counts": [[8, 2], [1, 9]]},
    "confusions": {
        "targets": [
            {"target": "sold", "classes": ["no", "yes"], "counts": [[8, 2], [1, 9]]},
            {"target": "zone", "classes": ["a", "b", "c"], "counts": [[4, 0, 0], [0, 3, 1], [0, 0, 0]]},
        ]
    },
    "importance": {"area": 3.0, "age": -4.0},
    "leaderboard": {
        "models": [
            {"name": "ridge", "folds": [0.2, 0.3], "mean": 0.25, "std": 0.05},
            {"name": "trees", "folds": [0.1, 0.2], "mean": 0.15, "std": 0.05},
        ],
        "blend": {"folds": [0.1, 0.15], "mean": 0.125, "std": 0.025},
        "metric": "rmse",
        "higher_is_better": False,
    },
    "blend": {"ridge": 0.25, "trees": 0.75, "mlp": 0.0},
    "mistakes": {"images": np.arange(2 * 8 * 9).reshape(2, 8, 9, 1).tolist(), "told": ["1, not 7 (99%)", "3, not 8"]},
    "filters": {"filters": np.random.default_rng(0).normal(size=(10, 3, 5, 5)).tolist()},
    "maps": {
        "image": np.arange(64).reshape(8, 8, 1).tolist(),
        "told": "1, not 7 (99%)",
        "layers": [
            {"name": "convolution 1 of 2", "maps": np.arange(3 * 8 * 8).reshape(3, 8, 8).tolist()},
            {"name": "convolution 2 of 2", "maps": np.arange(8 * 4 * 4).reshape(8, 4, 4).tolist()},
        ],
    },
    "translations": {
        "lengths": [{"words": "1–4", "rows": 12, "score": 61.0}, {"words": "5–9", "rows": 3, "score": 40.5}],
        "worst": [{"score": 3.0, "target": "Ein Hund rennt.", "prediction": "Die Katze"}],
        "best": [{"score": 100.0, "target": "Ja.", "prediction": "Ja."}],
    },
    "attention": {"source": ["a", "cat"], "target": ["un", "chat", "<eos>"], "weights": [[1, 0], [0.2, 0.8], [0, 1]]},
    "search": {
        "trials": [
            {"number": 0, "value": 0.3, "settings": {"model.alpha": 0.01, "features.many": "counts"}},
            {"number": 2, "value": 0.2, "settings": {"model.alpha": 10.0, "features.many": "levels"}},
        ],
        "metric": "rmse",
        "higher_is_better": False,
    },
    "over": {
        "values": [10, 100, 1000],
        "train": [[0.1, 0.2], [0.2, 0.2], [0.3, 0.3]],
        "valid": [[0.9, 0.8], [0.5, 0.6], [0.4, 0.4]],
        "baseline": 0.95,
        "over": "rows",
        "title": "Learning curve",
        "metric": "rmse",
    },
    "permutation": {
        "columns": {"area": {"mean": 0.2, "interval": [0.1, 0.3]}, "age": {"mean": -0.01, "interval": [-0.1, 0.08]}},
        "metric": "rmse",
    },
    "partial": {
        "columns": {
            "area": {"kind": "number", "at": [1.0, 2.0], "answers": {"prediction": [[3.0, 4.0], [3.5, 4.5]]}},
            "roof": {"kind": "category", "at": ["flat", "hip"], "answers": {"prediction": [[3.0, 4.0], [3.5, 4.5]]}},
        },
        "unit": "price",
    },
    "contributions": {
        "points": {
            "age": {"value": [1.0, 2.0, 3.0], "effect": [0.1, 0.0, -0.1]},
            "area": {"value": [1.0, None, 3.0], "effect": [-2.0, 0.0, 2.0]},
        },
        "unit": "price",
    },
    "saliency": {
        "images": np.arange(2 * 8 * 8).reshape(2, 8, 8, 1).tolist(),
        "told": ["1, not 7 (99%)", "3, not 8"],
        "maps": np.random.default_rng(0).random((2, 8, 8)).tolist(),
    },
    "distribution": {"edges": [1.0, 10.0, 100.0], "truth": [3, 4], "said": [2, 5], "unit": "price", "log": True},
    "calibration": {
        "bins": [
            {"said": 0.2, "true": 0.25, "interval": [0.1, 0.4], "rows": 30},
            {"said": 0.8, "true": 0.75, "interval": [0.6, 0.9], "rows": 40},
        ],
        "error": 0.05,
        "of": "probability of yes",
    },
    "cost": {
        "models": [
            {"name": "ridge", "seconds": 0.1, "valid": 0.25},
            {"name": "trees", "seconds": 20.0, "valid": 0.15},
            {"name": "forest", "seconds": 40.0, "valid": 0.2},
        ],
        "metric": "rmse",
        "higher_is_better": False,
    },
}
ODD = [
    ("gradients", {"steps": [1], "depth": [], "layers": {"cell.l0": {"gradient": [0.0]}, "cell": {"memory": [[1.0]]}}}),
    ("gradients", {"steps": [1], "depth": ["a", "b"], "layers": {"a": {"forward": [None]}, "b": {"forward": [None]}}}),
    ("curves", {"folds": [{"valid_score": [0.5]}, {"valid_score": [0.7]}], "metric": "accuracy"}),
    ("curves", {"folds": [{"train_loss": [1e6, NAN, 1e-3], "valid_loss": [1e6, None, 1.0]}]}),
    ("curves", {"folds": [{}, {"learning_rate": [0.1]}]}),
    ("curves", {"folds": [{"train_loss": np.array([2.0, 1.0], dtype=np.float32)}]}),
    ("residuals", {"target": [5.0], "prediction": [5.0], "unit": "$a$b_{c"}),
    ("residuals", {"target": [], "prediction": [], "unit": "price"}),
    ("residuals", {"target": [1e12, -1e12], "prediction": [0.0, 1e-12], "unit": "price"}),
    ("confusion", {"classes": [f"a very long name of class {i}" for i in range(60)], "counts": np.eye(60).tolist()}),
    ("confusion", {"classes": [0, 1], "counts": [[0, 0], [0, 0]]}),
    ("importance", {f"column $x_{i} {'long ' * 20}": float(i) for i in range(300)}),
    ("importance", {"日本語 😀": 0.0}),
    ("leaderboard", {**DATA["leaderboard"], "blend": None, "models": DATA["leaderboard"]["models"][:1]}),
    ("blend", {"only": 1.0}),
    (
        "mistakes",
        {"images": np.full((30, 4, 4, 3), 200).tolist(), "told": ["a long name $of$, not another"] * 30},
    ),
    (
        "maps",
        {
            "image": np.zeros((4, 4, 3)).tolist(),
            "told": "",
            "layers": [{"name": "convolution 1 of 1", "maps": np.zeros((1, 1, 1)).tolist()}],
        },
    ),
    ("filters", {"filters": np.ones((1, 2, 3, 3)).tolist()}),
    (
        "translations",
        {
            "lengths": [{"words": "0", "rows": 1, "score": 0.0}],
            "worst": [{"score": 0.0, "target": "", "prediction": "$x_{ " * 90}] * 5,
            "best": [{"score": 0.0, "target": "語" * 500, "prediction": "\n\t"}],
        },
    ),
    ("attention", {"source": ["$x_"], "target": ["語"], "weights": [[1.0]]}),
    ("residuals", {"target": [2e4, 9e5], "prediction": [3e4, 8e5], "unit": "price", "scale": "log"}),
    ("residuals", {"target": [2e4, 9e5], "prediction": [-3e4, 8e5], "unit": "price", "scale": "log"}),
    ("search", {**DATA["search"], "trials": [{"number": 1, "value": 1e9, "settings": {}}] * 3}),
    ("over", {**DATA["over"], "values": ["relu", "tanh", "gelu"], "baseline": None}),
    ("search", {**DATA["search"], "trials": [{"number": 1, "value": 0.5, "settings": dict.fromkeys("abcdefghij", 1)}]}),
    ("translations", {"lengths": [{"words": "1", "rows": 1, "score": 0.0}], "worst": [], "best": []}),
    ("permutation", {"columns": {"$x_{": {"mean": 0.0, "interval": None}}, "metric": "rmse"}),
    (
        "partial",
        {
            "columns": {
                "語" * 40: {
                    "kind": "category",
                    "at": ["a long name of a level"] * 8,
                    "answers": {name: [[0.1] * 8] for name in "abcdef"},
                }
            },
            "unit": "",
        },
    ),
    ("contributions", {"points": {"x": {"value": [None, None], "effect": [0.0, 0.0]}}, "unit": "y"}),
    ("saliency", {"images": np.zeros((1, 4, 4, 3)).tolist(), "told": [""], "maps": np.zeros((1, 4, 4)).tolist()}),
    ("distribution", {"classes": ["a long name"] * 30, "truth": [0] * 30, "said": [1] * 30, "unit": "y"}),
    ("cost", {**DATA["cost"], "models": DATA["cost"]["models"][:1], "higher_is_better": True}),
]


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize("name", sorted(PAINTERS))
def test_a_picture_is_a_whole_png_on_white_with_something_on_it(name):
    image = pixels(draw(name, DATA[name]))
    assert (image[[0, -1]] == 255).all() and (image[:, [0, -1]] == 255).all(), "drawn over the edge"
    assert 0.01 < (image < 250).any(axis=2).mean() < 0.9


@pytest.mark.parametrize(("name", "data"), ODD)
def test_odd_data_are_drawn_too(name, data, recwarn):
    assert pixels(draw(name, data)).min() < 100
    assert not [warning for warning in recwarn if "matplotlib" in str(warning.filename)]
    assert describe(name, data).endswith(".")


def test_the_same_data_give_the_same_bytes_in_another_process_and_whatever_the_users_style(tmp_path):
    (tmp_path / "matplotlibrc").write_text("figure.facecolor: black\nfont.size: 30\nlines.linewidth: 9\n")
    code = (
        "import sys, test_figures as t; from pipeline.reporting.figures import draw\n"
        "for name in sorted(t.DATA): sys.stdout.buffer.write(draw(name, t.DATA[name]))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    path = f"{Path(__file__).parent}:{Path(__file__).parents[2]}"
    environment = {**os.environ, "PYTHONPATH": path, "MATPLOTLIBRC": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert done.stdout == b"".join(draw(name, DATA[name]) for name in sorted(DATA))


def test_wide_ranges_get_a_logarithmic_axis_with_plain_numbers():
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure()
    with matplotlib.rc_context(STYLE):
        PAINTERS["curves"][0](figure, {"folds": [{"train_loss": [100.0, 1.0, 0.01]}]})
        figure.draw_without_rendering()
    [axes] = figure.axes
    assert axes.get_yscale() == "log"
    assert {"0.1", "1", "10"} <= {label.get_text() for label in axes.get_yticklabels()}


def test_titles_stay_within_the_picture_whatever_stands_beside_the_panel():
    names = [f"a model with a long name, {i}" for i in range(3)]
    models = [{"name": name, "folds": [0.2], "mean": 0.2, "std": 0.0} for name in names]
    columns = {f"a column with a long name {i}": {"mean": 0.1, "interval": None} for i in range(30)}
    for name, data in (
        ("leaderboard", {**DATA["leaderboard"], "models": models}),
        ("permutation", {**DATA["permutation"], "columns": columns}),
        ("importance", dict.fromkeys([f"a column with a long name {i}" for i in range(99)], 0.01)),
        ("maps", {**DATA["maps"], "told": "a long name of a class, not another (99%)"}),
        ("over", {**DATA["over"], "title": "A title of many words that goes on and on, " * 3}),
    ):
        assert (pixels(draw(name, data))[:, -1] == 255).all(), name


def test_a_searched_setting_over_powers_of_ten_has_plain_numbers():
    import matplotlib
    from matplotlib.figure import Figure

    trials = [{"number": i, "value": 1.0, "settings": {"fit.rate": 10.0**-i}} for i in range(5)]
    figure = Figure(figsize=PAINTERS["search"][1]({**DATA["search"], "trials": trials}))
    with matplotlib.rc_context(STYLE):
        PAINTERS["search"][0](figure, {**DATA["search"], "trials": trials})
        figure.draw_without_rendering()
    trial, rate = figure.axes[:2]
    assert {label.get_text() for label in rate.get_xticklabels()} >= {"0.01", "1"}
    assert all(label.get_text().lstrip("\u2212").isdecimal() for label in trial.get_xticklabels())


def test_a_png_holds_no_time_and_no_software():
    png, kinds, at = draw("blend", DATA["blend"]), [], 8
    while at < len(png):
        [size] = struct.unpack(">I", png[at : at + 4])
        kinds.append(png[at + 4 : at + 8])
        at += 12 + size
    assert set(kinds) == {b"IHDR", b"PLTE", b"IDAT", b"IEND"}


def test_a_confusion_matrix_shows_its_shares_row_by_row():
    sure = pixels(draw("confusion", {"classes": ["a", "b"], "counts": [[1000, 0], [0, 1]]}))
    same = pixels(draw("confusion", {"classes": ["a", "b"], "counts": [[1, 0], [0, 1000]]}))
    dark = [(image < 80).all(axis=2).sum() for image in (sure, same)]
    assert dark[0] == pytest.approx(dark[1], rel=0.05)


def test_descriptions_say_what_the_picture_shows():
    assert describe("curves", CURVES) == "Training loss and validation loss by epoch for 2 folds."
    assert "mean absolute error 0.5" in describe("residuals", DATA["residuals"])
    assert "17 of 20 rows are right" in describe("confusion", DATA["confusion"])
    assert "sold 85.0%, zone 87.5%" in describe("confusions", DATA["confusions"])
    assert "the largest: age, area" in describe("importance", DATA["importance"])
    assert describe("blend", DATA["blend"]) == "Weights of the blend: trees 75%, ridge 25%."
    with pytest.raises(KeyError):
        draw("pie", {})


def test_the_best_for_their_cost_are_those_that_no_cheaper_one_beats():
    assert [one["name"] for one in frontier(DATA["cost"]["models"], higher=False)] == ["ridge", "trees"]
    assert [one["name"] for one in frontier(DATA["cost"]["models"], higher=True)] == ["ridge"]
    same = [{"name": "slow", "seconds": 2.0, "valid": 1.0}, {"name": "quick", "seconds": 1.0, "valid": 1.0}]
    assert [one["name"] for one in frontier(same, higher=True)] == ["quick"]


def test_inputs_are_drawn_by_their_mean_effect():
    assert strongest(DATA["contributions"]["points"]) == ["area", "age"]
