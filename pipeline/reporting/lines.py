"""Pictures of lines: training curves, the history of a search, scores over a setting or over the number of rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from pipeline.reporting.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    VERMILION,
    WIDTH,
    few_ticks,
    main_title,
    plain_numbers,
    shortened,
)

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES = (("train_loss", "training loss"), ("valid_loss", "validation loss"), ("valid_score", "validation score"))
ITERATION = "iteration"
ABREAST, MOST_SEARCHED = 3, 8
"""Of a search: panels side by side, and settings that are drawn."""


def curves(figure: Figure, data: Mapping[str, Any]) -> None:
    folds = data["folds"]
    losses = [key for key in ("train_loss", "valid_loss") if has(folds, key)]
    score = has(folds, "valid_score")
    panels = figure.subplots(1, max(1, bool(losses) + score), squeeze=False)[0].tolist()
    main_title(figure, "How training went: folds (thin) and their mean")
    if losses:
        axes = panels.pop(0)
        axes.set_title("Loss")
        axes.set_ylabel("loss")
        for key, colour, label in (("train_loss", BLUE, "training"), ("valid_loss", VERMILION, "validation")):
            _lines(axes, folds, key, colour, label, best=min if key == "valid_loss" else None)
        values = [v for key in losses for fold in folds for v in fold.get(key, ()) if v is not None]
        if min(values) > 0 and max(values) / min(values) > 50:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter("")
        axes.legend(loc="upper right")
    if score:
        axes = panels.pop(0)
        axes.set_title(f"Validation {data.get('metric', 'score')}")
        axes.set_ylabel(data.get("metric", "score"))
        better = None if (higher := data.get("higher_is_better")) is None else max if higher else min
        _lines(axes, folds, "valid_score", VERMILION, "validation", best=better)


def has(folds: Sequence[Mapping[str, Any]], key: str) -> bool:
    return any(len(fold.get(key, ())) for fold in folds)


def _lines(
    axes: Axes, folds: Sequence[Mapping[str, Any]], key: str, colour: str, label: str, *, best: Any = None
) -> None:
    """A thin line a fold, a strong one for the mean of those that are still there, and a mark where it is best."""
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    lines = []
    for fold in folds:
        if heights := [math.nan if v is None else float(v) for v in fold.get(key, ())]:
            # Long boosting curves come thinned, with the iteration of each point.
            lines.append((list(fold.get(ITERATION, range(1, len(heights) + 1))), heights))
    if not lines:
        return
    for places, heights in lines:
        axes.plot(places, heights, color=colour, alpha=0.3, linewidth=0.9)
    grid = max((places for places, _ in lines), key=lambda places: places[-1])
    mean = _mean(grid, lines)
    axes.plot(grid, mean, color=colour, label=label, marker="o" if len(grid) == 1 else None)
    if best is not None and len(grid) > 1 and not np.isnan(mean).all():
        at = int((np.nanargmax if best is max else np.nanargmin)(mean))
        axes.scatter([grid[at]], [mean[at]], s=26, color=colour, edgecolor="white", zorder=5)
        beside = (0, -14 if best is max else 7)  # on the side where the curve does not come from
        axes.annotate(f"best {grid[at]:.0f}", (grid[at], mean[at]), beside, textcoords="offset points", ha="center")
    axes.set_xlabel(ITERATION if has(folds, ITERATION) else "epoch")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _mean(grid: Sequence[float], lines: Sequence[tuple[Sequence[float], Sequence[float]]]) -> np.ndarray:
    """Of the folds at each place [grid]. A fold that stopped earlier goes on as it ended, so that the mean does not
    jump where it is gone."""
    import numpy as np

    values: np.ndarray = np.mean([np.interp(grid, places, heights) for places, heights in lines], axis=0)
    return values


def search(figure: Figure, data: Mapping[str, Any]) -> None:
    """Each trial's score in their order with the best so far, and over each setting."""
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    trials, higher = data["trials"], bool(data["higher_is_better"])
    values = np.array([one["value"] for one in trials], dtype=float)
    names = _searched(data)
    grid = figure.subplots(ceil((1 + len(names)) / ABREAST), min(ABREAST, 1 + len(names)), squeeze=False, sharey=True)
    panels = grid.flat[: 1 + len(names)]
    for empty in grid.flat[1 + len(names) :]:
        empty.set_axis_off()
    order = [one["number"] for one in trials]
    best = (np.maximum if higher else np.minimum).accumulate(values)
    winner = int((values.argmax if higher else values.argmin)())
    panels[0].scatter(order, values, s=16, color=BLUE, alpha=0.7, linewidths=0)
    panels[0].plot(order, best, color=GREEN, linewidth=1.2, drawstyle="steps-post")
    main_title(figure, "Trials in their order, and what each setting did (green: best)")
    panels[0].set_xlabel("trial")
    panels[0].xaxis.set_major_locator(MaxNLocator(3, integer=True))
    for axes in grid[:, 0]:
        axes.set_ylabel(f"validation {data['metric']}")
    for axes, name in zip(panels[1:], names, strict=True):
        known = [(one["settings"][name], value) for one, value in zip(trials, values) if name in one["settings"]]
        places = [place for place, _ in known]
        numeric = all(isinstance(place, int | float) and not isinstance(place, bool) for place in places)
        axes.scatter(
            places if numeric else list(map(str, places)), [v for _, v in known], s=16, color=GREY, linewidths=0
        )
        if numeric and min(places) > 0 and max(places) / min(places) > 50:
            axes.set_xscale("log")
            few_ticks(axes.xaxis, narrow=True)
        if name in trials[winner]["settings"]:
            place = trials[winner]["settings"][name]
            axes.scatter([place if numeric else str(place)], [values[winner]], s=34, color=GREEN, zorder=4)
        axes.set_xlabel(shortened(name.partition(".")[2] or name, 20))
    low, high = np.quantile(values, [0.0, 1.0])
    middle = float(np.median(values))
    if high > low and (high - middle > 20 * (middle - low) if not higher else middle - low > 20 * (high - middle)):
        span = abs(middle - (high if higher else low)) or abs(high - low)  # one failed trial squashes all others
        panels[0].set_ylim(*((middle - 4 * span, high + span) if higher else (low - span, middle + 4 * span)))


def _searched(data: Mapping[str, Any]) -> list[str]:
    return sorted({key for one in data["trials"] for key in one["settings"]})[:MOST_SEARCHED]


def search_size(data: Mapping[str, Any]) -> tuple[float, float]:
    return WIDTH, 0.5 + 2.2 * ceil((1 + len(_searched(data))) / ABREAST)


def over(figure: Figure, data: Mapping[str, Any]) -> None:
    """Training and validation scores over a setting's values or numbers of rows, the folds' spread as a band."""
    import numpy as np

    axes = figure.subplots()
    values = data["values"]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    places = np.array(values, dtype=float) if numeric else np.arange(len(values))
    for key, colour, label in (("train", BLUE, "training rows"), ("valid", VERMILION, "validation rows")):
        scores = np.array(data[key], dtype=float)  # [values, folds]
        mean, spread = scores.mean(axis=1), scores.std(axis=1)
        # Never beyond the folds themselves: one that is hopeless spreads the others below 0.
        low, high = np.maximum(mean - spread, scores.min(axis=1)), np.minimum(mean + spread, scores.max(axis=1))
        axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(places, mean, color=colour, marker="o", markersize=4, label=label)
    if (baseline := data.get("baseline")) is not None:
        axes.axhline(baseline, color=INK, linewidth=0.9, linestyle="--", label="baseline")
    if numeric and min(places) > 0 and max(places) / min(places) > 20:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter("")
    axes.set_xticks(places, [f"{value:g}" if numeric else str(value) for value in values])
    main_title(figure, data["title"])
    axes.set_xlabel(data["over"])
    axes.set_ylabel(data["metric"])
    plain_numbers(axes.yaxis)
    axes.legend(loc="best")
