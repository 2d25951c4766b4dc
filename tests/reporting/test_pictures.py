"""Which images are shown, and which filters."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from safetensors.numpy import save_file

from pipeline.core.stored import Stored
from pipeline.reporting.explained import saliency, saliency_size
from pipeline.reporting.pictures import draw_mistakes, filters_data, mistakes_data, size_of_mistakes
from pipeline.reporting.style import STYLE
from pipeline.tasks.diagnostics import mistakes


def test_the_surest_mistakes_come_first():
    predictions = pd.DataFrame({"cat": [0.9, 0.2, 0.4, 0.99], "dog": [0.1, 0.8, 0.6, 0.01]})
    target = pd.Series(["cat", "cat", "cat", "dog"], index=[7, 8, 9, 3])
    surest = [(3, "dog, not cat (99%)"), (1, "cat, not dog (80%)"), (2, "cat, not dog (60%)")]
    assert mistakes(target, predictions) == surest
    assert mistakes(target, predictions, most=1) == surest[:1]
    numbers = pd.DataFrame({"prediction": [1.0, 5.0, 2.0]})
    assert mistakes(pd.Series([1.0, 2.5, 3.0]), numbers, most=2) == [(1, "2.5, not 5"), (2, "3, not 2")]


def test_large_images_are_thinned():
    images = np.random.default_rng(0).integers(0, 256, (3, 130, 100, 3)).astype(np.uint8)
    data = mistakes_data(Stored([images]), [(2, "a"), (0, "b")])
    np.testing.assert_array_equal(data["images"], images[[2, 0], ::3, ::3])
    assert data["told"] == ["a", "b"]


def test_filters_are_those_of_the_first_convolution(tmp_path):
    tensors = {
        "layers.10.weight": np.ones((4, 2, 3, 3), np.float32),
        "layers.2.weight": np.full((100, 1, 5, 5), 2, np.float32),
        "layers.0.bias": np.zeros(4, np.float32),
    }
    save_file(tensors, tmp_path / "some.safetensors")
    assert np.array_equal(filters_data(tmp_path / "some.safetensors")["filters"], np.full((64, 1, 5, 5), 2))
    save_file({"layers.0.weight": np.ones((4, 1, 1, 1), np.float32)}, tmp_path / "small.safetensors")
    assert filters_data(tmp_path / "small.safetensors") is None
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "none.safetensors")
    assert filters_data(tmp_path / "none.safetensors") is None


@pytest.mark.parametrize(("paint", "size"), [(draw_mistakes, size_of_mistakes), (saliency, saliency_size)])
def test_what_stands_over_images_side_by_side_never_runs_into_what_stands_beside(paint, size):
    told = ["googlenet, epoch 1", "sandal, not sneaker (98%)", "1, not 7 (99%)", "golden_retriever, not beagle"] * 3
    data = {"images": np.zeros((12, 8, 8, 1)).tolist(), "told": told, "maps": np.zeros((12, 8, 8)).tolist()}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size(data))
        FigureCanvasAgg(figure)
        paint(figure, {key: value[:6] if paint is saliency else value for key, value in data.items()})
        figure.draw_without_rendering()
        boxes = [axes.title.get_window_extent() for axes in figure.axes if axes.get_title()]
    assert len(boxes) >= 6
    assert not [1 for k, one in enumerate(boxes) for other in boxes[:k] if one.overlaps(other)]
    assert "(98%)" in figure.axes[1].get_title()
