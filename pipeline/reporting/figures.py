"""Pictures from plain data, drawn the same for MLflow and for the report.

Matplotlib's object API on Agg: no pyplot, no window, no user's own style, and the same bytes for
the same data. Colours are Okabe and Ito's (2008), which colour-blind readers can tell apart.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import counted
from pipeline.reporting import confusion, explained, gradients, lines, shapes, text_figures
from pipeline.reporting.lines import CURVES, has
from pipeline.reporting.pictures import (
    draw_filters,
    draw_maps,
    draw_mistakes,
    size_of_filters,
    size_of_maps,
    size_of_mistakes,
)
from pipeline.reporting.style import (
    BLUE,
    GREEN,
    INK,
    STYLE,
    WIDTH,
    few_ticks,
    main_label,
    main_title,
    plain_numbers,
    shortened,
)

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BARS = 20
"""Bars of an importance chart at most."""


def draw(name: str, data: Mapping[str, Any]) -> bytes:
    """A PNG of the figure ``name``: dark on white, with units and labels.

    ``curves``       {"folds": [{"train_loss": [...], "valid_loss": [...], "valid_score": [...]}, ...]}, any
                     of them missing; optional "metric", the name of the score.
                     "higher_is_better" of it marks its best epoch.
    ``gradients``    a trace, see ``training/watching.py``.
    ``residuals``    {"target": [...], "prediction": [...], "unit": name of the target}; optional "scale", which
                     "log" sets where errors count by their ratio.
    ``confusion``    {"classes": [...], "counts": [[...]]}, a row each true class.
    ``confusions``   {"targets": [{"target": name, as of confusion}, ...]}.
    ``importance``   {feature: value}.
    ``leaderboard``  {"models": [{"name", "folds": [...], "mean", "std"}, ...], "blend": the same without
                     a name, or None, "metric": name, "higher_is_better": bool}.
    ``blend``        {model: weight}.
    ``mistakes``     {"images": [[height][width][channels] of 0 to 255, ...], "told": words for each}; optional
                     "title", where they are no mistakes.
    ``filters``      {"filters": [[channels][height][width], ...]}.
    ``maps``         {"image", "told": as of mistakes, "layers": [{"name", "maps": of 0 to 255}, ...]}.
    ``translations`` {"lengths": [{"words": range, "rows", "score"}, ...], "best", "worst":
                     [{"score", "target", "prediction"}, ...]}.
    ``attention``    {"source": [token, ...], "target": [token, ...], "weights": [[...]]}, a row a target token.
    ``search``       {"trials": [{"number", "value", "settings"}, ...], "metric": name, "higher_is_better": bool}.
    ``over``         {"values": [...], "train", "valid": [[a score a fold], ...], "over", "title", "metric": names};
                     optional "baseline".
    ``permutation``  {"columns": {raw column: {"mean", "interval"}}, "metric": name}.
    ``partial``      {"columns": {raw column: {"kind", "at": [...], "answers": {name: [[a fold each], ...]}}}, "unit"}.
    ``contributions`` {"points": {input: {"value": [...], "effect": [...]}}, "unit"}.
    ``saliency``     {"images", "told": as of mistakes, "maps": [[height][width] of 0 to 1, ...]}.
    ``distribution``, ``calibration``: see ``diagnosis.shapes``.
    ``cost``         {"models": [{"name", "seconds", "valid"}, ...], "metric", "higher_is_better"}.

    Raises KeyError for another name.
    """
    painter, size = PAINTERS[name]
    import matplotlib
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # A name in a script the font lacks is drawn as boxes; that is no reason to warn.
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=size(data), facecolor="white")
        canvas = FigureCanvasAgg(figure)
        painter(figure, data)
        canvas.draw()  # once: ``savefig`` draws a second time, to learn what the first has laid out
    return _flat(np.asarray(canvas.buffer_rgba()))


def _flat(pixels: np.ndarray) -> bytes:
    """A PNG with a palette, a third as large as one of all colours. pixels: uint8 [height, width, 4], opaque."""
    from PIL import Image

    flat = Image.fromarray(pixels).convert("RGB").quantize(255, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    flat.save(stream, format="png", optimize=True)
    return stream.getvalue()


def describe(name: str, data: Mapping[str, Any]) -> str:
    """The figure in words, for those who do not see it."""
    if name == "curves":
        shown = [text for key, text in CURVES if has(data["folds"], key)]
        return f"{_join(shown).capitalize()} by epoch for {counted(len(data['folds']), 'fold')}."
    if name == "gradients":
        return gradients.describe(data)
    if name == "residuals":
        error = sum(abs(p - t) for t, p in zip(data["target"], data["prediction"], strict=True))
        mean = error / max(1, len(data["target"]))
        return f"Out-of-fold predictions of {data['unit']} against the truth; mean absolute error {mean:,.4g}."
    if name in ("confusion", "confusions"):
        return confusion.describe(name, data)
    if name == "mistakes":
        return f"The {len(data['images'])} images that predictions are most wrong about: {'; '.join(data['told'][:3])}."
    if name == "filters":
        return f"The {len(data['filters'])} filters of the first layer, each from its darkest to its brightest."
    if name == "maps":
        return f"Maps of an image after {_join([layer['name'] for layer in data['layers']])}."
    if name == "importance":
        first = [str(key) for key, _ in _largest(data)[:3]]
        return f"Feature importance; the largest: {', '.join(first)}."
    if name == "search":
        return f"Scores of {len(data['trials'])} trials of a search, in their order and over its settings."
    if name == "over":
        return f"Training and validation {data['metric']} over {data['over']}, {len(data['values'])} values."
    if name == "leaderboard":
        return f"Validation {data['metric']} of each fold, its mean and spread, for {len(data['models'])} models."
    if name in ("translations", "attention"):
        return text_figures.describe_text(name, data)
    if (told := explained.describe_explained(name, data) or shapes.describe_shape(name, data)) is not None:
        return told
    weights = [f"{model} {weight:.0%}" for model, weight in _largest(data) if weight > 0]
    return f"Weights of the blend: {', '.join(weights)}."


def _residuals(figure: Figure, data: Mapping[str, Any]) -> None:
    target, prediction = list(map(float, data["target"])), list(map(float, data["prediction"]))
    left, right = figure.subplots(1, 2)
    unit, positive = data["unit"], all(value > 0 for value in (*target, *prediction))
    ratio = data.get("scale") == "log" and positive and bool(target)
    dots = {"s": 9, "color": BLUE, "alpha": 0.35 if len(target) > 300 else 0.6, "linewidths": 0}
    left.scatter(target, prediction, **dots)
    ends = [min(*target, *prediction), max(*target, *prediction)] if target else [0, 1]
    left.plot(ends, ends, color=INK, linewidth=0.9)
    main_title(figure, "How far answers lie from the truth (on the line: right)")
    left.tick_params(pad=6)  # both axes may begin with a label, in one corner
    left.set_xlabel(f"true {data['unit']}")
    left.set_ylabel(f"predicted {data['unit']}")
    if ratio:
        errors = [math.log(p / t) for t, p in zip(target, prediction, strict=True)]
    else:
        errors = [p - t for t, p in zip(target, prediction, strict=True)]
    right.scatter(prediction, errors, **dots)
    right.axhline(0, color=INK, linewidth=0.9)
    right.set_xlabel(f"predicted {unit}")
    right.set_ylabel("log(predicted / true)" if ratio else "predicted minus true")
    for axes in (left, right):
        if ratio:
            axes.set_xscale("log")
            few_ticks(axes.xaxis)
        else:
            plain_numbers(axes.xaxis)
    if ratio:
        left.set_yscale("log")
        few_ticks(left.yaxis)
    else:
        plain_numbers(left.yaxis)
    plain_numbers(right.yaxis)


def _importance(figure: Figure, data: Mapping[str, Any]) -> None:
    largest = _largest(data)
    shown = largest[:BARS]
    axes = figure.subplots()
    _bars(axes, [shortened(key, 40) for key, _ in shown], [float(value) for _, value in shown], BLUE)
    of = f": largest {len(shown)} of {len(largest)}" if len(largest) > len(shown) else ""
    main_title(figure, f"Importance, as the model counts it{of}")
    values = [float(value) for _, value in largest]
    shares = min(values, default=0) >= 0 and abs(sum(values) - 1) < 0.02
    moved = "one standard deviation moves the answer by (left: lowers it)"
    main_label(figure, "share of all, mean over the folds" if shares else moved)
    plain_numbers(axes.xaxis)


def _blend(figure: Figure, data: Mapping[str, Any]) -> None:
    weights = _largest(data)
    axes = figure.subplots()
    _bars(axes, [shortened(name, 40) for name, _ in weights], [float(weight) for _, weight in weights], GREEN)
    for i, (_, weight) in enumerate(weights):
        axes.annotate(f"{weight:.1%}", (weight, i), xytext=(4, 0), textcoords="offset points", va="center")
    main_title(figure, "How much each model weighs in the blend")
    axes.set_xlim(0, 1.12 * max((weight for _, weight in weights), default=1) or 1)
    axes.xaxis.set_visible(False)  # the bars carry their numbers
    axes.spines["bottom"].set_visible(False)


def _bars(axes: Axes, names: Sequence[str], values: Sequence[float], colour: str) -> None:
    axes.barh(range(len(names)), values, color=colour, height=0.62)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)  # the first on top
    axes.grid(axis="y", visible=False)
    if any(value < 0 for value in values):
        axes.axvline(0, color=INK, linewidth=0.9)


def _leaderboard(figure: Figure, data: Mapping[str, Any]) -> None:
    higher = bool(data["higher_is_better"])
    rows = sorted(data["models"], key=lambda row: -row["mean"] if higher else row["mean"])
    if data.get("blend"):
        rows = [{"name": "blend", **data["blend"], "is_blend": True}, *rows]
    axes = figure.subplots()
    for i, row in enumerate(rows):
        colour = GREEN if row.get("is_blend") else BLUE
        axes.plot([row["mean"] - row["std"], row["mean"] + row["std"]], [i, i], color=colour, alpha=0.35, linewidth=6)
        axes.scatter(row["folds"], [i] * len(row["folds"]), s=13, facecolor="white", edgecolor=colour, zorder=3)
        axes.scatter([row["mean"]], [i], s=46, color=colour, zorder=4)
    axes.set_yticks(range(len(rows)), [shortened(row["name"], 40) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    main_title(figure, "Scores: folds (open), their mean (filled), its spread (bar)")
    axes.set_xlabel(f"validation {data['metric']}, {'higher' if higher else 'lower'} is better")
    plain_numbers(axes.xaxis)


def _largest(data: Mapping[str, Any]) -> list[tuple[str, float]]:
    return sorted(data.items(), key=lambda item: (-abs(item[1]), item[0]))


def _join(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _height(rows: int) -> tuple[float, float]:
    return WIDTH, 0.9 + 0.27 * max(rows, 2)


Painter = Callable[["Figure", Mapping[str, Any]], None]
PAINTERS: dict[str, tuple[Painter, Callable[[Mapping[str, Any]], tuple[float, float]]]] = {
    "curves": (lines.curves, lambda data: (WIDTH, 2.9)),
    "gradients": (gradients.draw, gradients.size),
    "residuals": (_residuals, lambda data: (WIDTH, 3.4)),
    **confusion.PAINTERS,
    "importance": (_importance, lambda data: _height(min(len(data), BARS))),
    "search": (lines.search, lines.search_size),
    "over": (lines.over, lambda data: (WIDTH, 3.6)),
    "leaderboard": (_leaderboard, lambda data: _height(len(data["models"]) + bool(data.get("blend")))),
    "blend": (_blend, lambda data: _height(len(data))),
    "mistakes": (draw_mistakes, size_of_mistakes),
    "filters": (draw_filters, size_of_filters),
    "maps": (draw_maps, size_of_maps),
    "translations": (text_figures.translations, lambda data: text_figures.translations_size(data, WIDTH)),
    "attention": (text_figures.attention, text_figures.attention_size),
    **explained.PAINTERS,
    **shapes.PAINTERS,
}
