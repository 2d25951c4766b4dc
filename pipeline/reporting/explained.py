"""Pictures of what models look at: columns, their values, what trees add up, pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.reporting.style import (
    BLUE,
    CYCLE,
    GREY,
    INK,
    WIDTH,
    caption,
    main_label,
    main_title,
    plain_numbers,
    shortened,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS, ACROSS = 15, 2
"""Columns with the largest falls that are drawn, and panels side by side."""
SALIENT = 8


def largest_falls(data: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    falls: Mapping[str, dict[str, Any]] = data["columns"]
    return sorted(falls.items(), key=lambda item: (-item[1]["mean"], item[0]))


def permutation(figure: Figure, data: Mapping[str, Any]) -> None:
    """A bar a raw column, a line for its interval over folds."""
    every = largest_falls(data)
    shown = every[:COLUMNS]
    axes = figure.subplots()
    for i, (_, one) in enumerate(shown):
        sure = one["interval"] is not None and one["interval"][0] > 0
        axes.barh(i, one["mean"], color=BLUE if sure else GREY, height=0.62)
        if one["interval"] is not None:
            axes.plot(one["interval"], [i, i], color=INK, linewidth=1.1)
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_yticks(range(len(shown)), [shortened(name, 28) for name, _ in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    of = f"the {len(shown)} largest of {len(every)} columns" if len(every) > len(shown) else "every column"
    main_title(figure, f"What shuffling a column costs: {of}")
    main_label(figure, f"{data['metric']} worse by (line: 95 % over folds; grey: may be none)")
    plain_numbers(axes.xaxis)


def permutation_size(data: Mapping[str, Any]) -> tuple[float, float]:
    return WIDTH, 1.0 + 0.25 * max(2, min(len(data["columns"]), COLUMNS))


def partial(figure: Figure, data: Mapping[str, Any]) -> None:
    """A panel a column: a thin line a fold, a strong one for their mean; of several classes a colour each."""
    columns = list(data["columns"].items())
    across = min(ACROSS, len(columns))
    panels = figure.subplots(ceil(len(columns) / across), across, squeeze=False, sharey=True)
    names = list(columns[0][1]["answers"])
    for axes, (name, one) in zip(panels.flat, columns, strict=False):
        _dependence(axes, one, name)
    for axes in panels.flat[len(columns) :]:
        axes.set_axis_off()
    for axes in panels[:, 0]:
        axes.set_ylabel(data["unit"] if len(names) == 1 else "mean probability")
        plain_numbers(axes.yaxis)
    if len(names) > 1:
        panels.flat[0].legend([_line(CYCLE[k]) for k in range(len(names))], [shortened(name, 16) for name in names])
    main_title(figure, "Mean answer if every row had that value")


def _line(colour: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour)


def _dependence(axes: Axes, one: Mapping[str, Any], name: str) -> None:
    number = one["kind"] == "number"
    places = [float(at) for at in one["at"]] if number else [float(k) for k in range(len(one["at"]))]
    for k, folds in enumerate(one["answers"].values()):
        colour = BLUE if len(one["answers"]) == 1 else CYCLE[k % len(CYCLE)]
        mean = [fmean(values) for values in zip(*folds, strict=True)]
        if number:
            for values in folds:
                axes.plot(places, values, color=colour, alpha=0.25, linewidth=0.8)
            axes.plot(places, mean, color=colour, marker="o", markersize=3)
        else:
            for values in folds:
                axes.scatter(places, values, color=colour, alpha=0.3, s=8, linewidths=0)
            axes.scatter(places, mean, color=colour, s=30)
    axes.set_xlabel(shortened(name, 30))
    if number:
        plain_numbers(axes.xaxis, whole=all(place.is_integer() for place in places))
    else:
        wide = sum(len(str(at)) for at in one["at"]) > 24
        axes.set_xticks(places, [shortened(at, 12) for at in one["at"]], rotation=45 if wide else 0)
        if wide:
            for label in axes.get_xticklabels():
                label.set_horizontalalignment("right")


def partial_size(data: Mapping[str, Any]) -> tuple[float, float]:
    return WIDTH, 0.5 + 2.3 * ceil(len(data["columns"]) / ACROSS)


def contributions(figure: Figure, data: Mapping[str, Any]) -> None:
    """A line of points an input: to the right the rows that it raises the answer of, coloured by its value."""
    import numpy as np

    names = strongest(data["points"])
    axes = figure.subplots()
    generator = np.random.default_rng(0)
    drawn = None
    for i, name in enumerate(names):
        effect = np.array(data["points"][name]["effect"], dtype=float)
        value = np.array([np.nan if v is None else v for v in data["points"][name]["value"]], dtype=float)
        known = ~np.isnan(value)
        heights = i + _beside(effect, generator)
        axes.scatter(effect[~known], heights[~known], s=7, color=GREY, linewidths=0)
        if known.any():
            place = np.argsort(np.argsort(value[known], kind="stable"), kind="stable") / max(known.sum() - 1, 1)
            ties = {v: float(place[value[known] == v].mean()) for v in np.unique(value[known])}
            shade = [ties[v] for v in value[known]]
            drawn = axes.scatter(
                effect[known], heights[known], s=7, c=shade, cmap="cividis", vmin=0, vmax=1, linewidths=0
            )
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_yticks(range(len(names)), [shortened(name, 28) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    main_title(figure, "What each input adds to a row's answer (SHAP)")
    main_label(figure, f"added to {data['unit']}, a point a row (grey: nothing is known)")
    plain_numbers(axes.xaxis)
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=axes, ticks=[0, 1], fraction=0.03, pad=0.02)
        bar.ax.set_yticklabels(["low", "high"])
        bar.set_label("its value", labelpad=-8)
        bar.outline.set_visible(False)  # type: ignore[operator]


def strongest(points: Mapping[str, Any]) -> list[str]:
    """Inputs by their mean absolute effect."""
    return sorted(points, key=lambda name: (-fmean(map(abs, points[name]["effect"])), name))


def _beside(effect: Any, generator: Any) -> Any:
    """Heights [points] around 0 by how many points lie at the same place."""
    import numpy as np

    if len(effect) < 2 or np.ptp(effect) == 0:
        return np.zeros(len(effect))
    place = np.minimum(((effect - effect.min()) / np.ptp(effect) * 60).astype(int), 59)
    dense = np.bincount(place, minlength=60)[place] / np.bincount(place).max()
    return generator.uniform(-0.36, 0.36, len(effect)) * dense


def contributions_size(data: Mapping[str, Any]) -> tuple[float, float]:
    return WIDTH, 1.0 + 0.33 * max(2, len(data["points"]))


def saliency(figure: Figure, data: Mapping[str, Any]) -> None:
    """Images above, and below each which pixels move its answer."""
    import numpy as np

    from pipeline.reporting.pictures import brightest, shown_image

    images: Sequence[Any] = data["images"][:SALIENT]
    rows = figure.subplots(2, max(1, len(images)), squeeze=False)
    for cell in rows.flat:
        cell.set_axis_off()
    for k, image in enumerate(images):
        rows[0][k].imshow(shown_image(image), cmap="gray", vmin=0, vmax=brightest(images), interpolation="nearest")
        rows[0][k].set_title(caption(data["told"][k]), fontsize=7.5, fontweight="normal", loc="center")
        rows[1][k].imshow(np.asarray(data["maps"][k], dtype=float), cmap="magma", vmin=0, vmax=1)
    main_title(figure, "Bright below: pixels that move the answer above")


def saliency_size(data: Mapping[str, Any]) -> tuple[float, float]:
    return WIDTH, 2.7


def describe_explained(name: str, data: Mapping[str, Any]) -> str | None:
    """The figure in words, of those that stand here."""
    if name == "permutation":
        first = [f"{column} {one['mean']:.3g}" for column, one in largest_falls(data)[:3]]
        return f"By how much {data['metric']} is worse where a column is shuffled; most for {', '.join(first)}."
    if name == "partial":
        return f"Mean answer over the values of {', '.join(data['columns'])}."
    if name == "contributions":
        return f"What inputs add to the answers of single rows; most: {', '.join(strongest(data['points'])[:3])}."
    if name == "saliency":
        return f"{len(data['images'])} images, and which of their pixels move the answer."
    return None


PAINTERS = {
    "permutation": (permutation, permutation_size),
    "partial": (partial, partial_size),
    "contributions": (contributions, contributions_size),
    "saliency": (saliency, saliency_size),
}
