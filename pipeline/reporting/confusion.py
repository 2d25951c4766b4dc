"""Confusion matrices: of one target, and of each of several."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.reporting.style import BLUE, INK, WIDTH, main_title, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELLS_WITH_COUNTS = 14
"""Classes up to which a confusion matrix has room for its counts."""


def describe(name: str, data: Mapping[str, Any]) -> str:
    if name == "confusion":
        right, total = _right(data)
        return f"Confusion matrix of {len(data['counts'])} classes; {right:,} of {total:,} rows are right."
    told = [f"{one['target']} {_accuracy(one)}" for one in data["targets"]]
    return f"Confusion matrices of {len(told)} targets; rows that are right: {', '.join(told)}."


def _one(figure: Figure, data: Mapping[str, Any]) -> None:
    main_title(figure, "Confusion matrix: which class is taken for which")
    _matrix(figure.subplots(), data)


def _several(figure: Figure, data: Mapping[str, Any]) -> None:
    main_title(figure, "Confusion matrices, and the share of rows that are right")
    rows, columns = _grid(data)
    every = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, one in zip(every, data["targets"], strict=False):
        axes.set_title(f"{shortened(one['target'], 20)}: {_accuracy(one)}")
        _matrix(axes, one, beside_others=True)
    for axes in every[len(data["targets"]) :]:
        axes.set_visible(False)


def _matrix(axes: Axes, data: Mapping[str, Any], beside_others: bool = False) -> None:
    """beside_others: in half the room, without what says what the colours mean."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.ticker import PercentFormatter

    counts = [[int(count) for count in row] for row in data["counts"]]
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    names = [shortened(name, 18) for name in data["classes"]]
    colours = LinearSegmentedColormap.from_list("share", ["#FFFFFF", "#9CC7E3", BLUE, "#00304B"])
    image = axes.imshow(shares, cmap=colours, vmin=0, vmax=1)
    axes.grid(False)
    every = math.ceil(len(names) / 40)
    shown = range(0, len(names), every)
    wide = max(map(len, names), default=0) * len(shown) > (24 if beside_others else 60)
    axes.set_xticks(shown, [names[i] for i in shown], rotation=90 if wide else 0)
    axes.set_yticks(shown, [names[i] for i in shown])
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    for side in axes.spines.values():
        side.set_visible(True)
    if len(names) <= CELLS_WITH_COUNTS:
        size = 9 if len(names) <= 8 else 7
        for i, row in enumerate(counts):
            for j, count in enumerate(row):
                colour = "white" if shares[i][j] > 0.45 else INK
                axes.text(j, i, f"{count:,}", ha="center", va="center", color=colour, fontsize=size)
    if beside_others:
        return
    bar = axes.figure.colorbar(image, ax=axes, format=PercentFormatter(1, decimals=0), fraction=0.046, pad=0.03)
    bar.set_label("share of the true class")
    bar.outline.set_visible(False)  # type: ignore[operator]


def _right(data: Mapping[str, Any]) -> tuple[int, int]:
    """Rows that are right, and all."""
    counts = data["counts"]
    return sum(counts[i][i] for i in range(len(counts))), sum(map(sum, counts))


def _accuracy(data: Mapping[str, Any]) -> str:
    right, total = _right(data)
    return f"{right / max(1, total):.1%}"


def _grid(data: Mapping[str, Any]) -> tuple[int, int]:
    columns = min(2, len(data["targets"]))
    return math.ceil(len(data["targets"]) / columns), columns


def _square(data: Mapping[str, Any]) -> tuple[float, float]:
    side = min(6.6, 2.5 + 0.27 * len(data["classes"]))
    return side + 1.2, side


def _squares(data: Mapping[str, Any]) -> tuple[float, float]:
    rows, columns = _grid(data)
    tallest = max(_square(one)[1] for one in data["targets"])
    return (_square(data["targets"][0])[0] if columns == 1 else WIDTH), 0.3 + rows * min(tallest, 3.3)


PAINTERS = {"confusion": (_one, _square), "confusions": (_several, _squares)}
