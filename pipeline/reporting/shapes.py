"""Pictures of answers as a whole: their distribution, whether probabilities keep their word, score against cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.reporting.style import BLUE, GREEN, INK, VERMILION, WIDTH, few_ticks, main_title, plain_numbers, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def distribution(figure: Figure, data: Mapping[str, Any]) -> None:
    axes = figure.subplots()
    if "edges" in data:
        for key, colour, label in (("truth", INK, "true"), ("said", BLUE, "predicted")):
            filled = key == "said"
            look: dict[str, Any] = {"fill": filled, "alpha": 0.25 if filled else 1, "linewidth": 0 if filled else 1.4}
            axes.stairs(data[key], data["edges"], color=colour, label=label, **look)
        if data["log"]:
            axes.set_xscale("log")
            few_ticks(axes.xaxis)
        else:
            plain_numbers(axes.xaxis)
        axes.set_xlabel(data["unit"] + (" (logarithmic)" if data["log"] else ""))
        axes.grid(axis="x", visible=False)
    else:
        names, places = data["classes"], range(len(data["classes"]))
        axes.bar([k - 0.2 for k in places], data["truth"], width=0.38, color=INK, alpha=0.75, label="true")
        axes.bar([k + 0.2 for k in places], data["said"], width=0.38, color=BLUE, label="predicted")
        wide = sum(len(name) for name in names) > 40
        axes.set_xticks(places, [shortened(name, 14) for name in names], rotation=90 if wide else 0)
        axes.set_xlabel(data["unit"])
        axes.grid(axis="x", visible=False)
    main_title(figure, "Are the answers spread as the truth is?")
    axes.set_ylabel("rows")
    figure.legend(loc="outside lower right", ncols=2)
    plain_numbers(axes.yaxis, whole=True)


def calibration(figure: Figure, data: Mapping[str, Any]) -> None:
    """How often what was said with some probability came true, above how many rows each bin has."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    above, below = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    above.plot([0, 1], [0, 1], color=INK, linewidth=0.9)
    places = [one["said"] for one in data["bins"]]
    for place, one in zip(places, data["bins"], strict=True):
        above.plot([place, place], one["interval"], color=BLUE, alpha=0.45)
    above.plot(places, [one["true"] for one in data["bins"]], color=BLUE, marker="o", markersize=4)
    below.bar(places, [one["rows"] for one in data["bins"]], width=0.05, color=BLUE)
    main_title(figure, "Does a probability come true that often? (line: yes)")
    above.set_ylabel("came true")
    below.set_ylabel("rows")
    below.set_xlabel(data["of"])
    above.set_ylim(-0.03, 1.03)
    for axis in (above.yaxis, below.xaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    plain_numbers(below.yaxis)
    below.yaxis.set_major_locator(MaxNLocator(2))


def cost(figure: Figure, data: Mapping[str, Any]) -> None:
    """A point a model: left is cheap, the best lie on the line of those that no cheaper one beats."""
    higher, models = bool(data["higher_is_better"]), data["models"]
    axes = figure.subplots()
    front = frontier(models, higher)
    axes.plot([one["seconds"] for one in front], [one["valid"] for one in front], color=GREEN, linewidth=1.1, zorder=1)
    for one in models:
        colour = GREEN if one in front else VERMILION
        axes.scatter([one["seconds"]], [one["valid"]], s=40, color=colour, zorder=3)
    seconds = [one["seconds"] for one in models]
    if max(seconds) > 20 * min(seconds) > 0:
        axes.set_xscale("log")
        few_ticks(axes.xaxis)
    axes.margins(x=0.18, y=0.15)
    if higher is False:
        axes.invert_yaxis()  # better is always up
    main_title(figure, "Score against cost: up is better, left is cheaper")
    axes.set_xlabel("seconds on one core to fit all folds")
    axes.set_ylabel(f"validation {data['metric']}")
    plain_numbers(axes.yaxis)
    _named(axes, models)


def _named(axes: Axes, models: Any) -> None:
    """Names beside points that lie closely take turns above and below them."""
    taken: list[tuple[float, float]] = []
    for one in sorted(models, key=lambda one: (one["valid"], one["seconds"])):
        x, y = axes.transAxes.inverted().transform(axes.transData.transform((one["seconds"], one["valid"])))
        sides = ((5, 5), (5, -11))
        places = [(x, y + side[1] / 200) for side in sides]  # in parts of the panel, some 200 points high
        near = [any(abs(u - a) < 0.25 and abs(v - b) < 0.06 for u, v in taken) for a, b in places]
        at = near.index(False) if False in near else 1
        taken.append(places[at])
        name = shortened(one["name"], 22)
        axes.annotate(name, (one["seconds"], one["valid"]), sides[at], textcoords="offset points", fontsize=8)


def frontier(models: Any, higher: bool) -> list[Any]:
    """Those that no model is better than for as little."""
    found: list[Any] = []
    for one in sorted(models, key=lambda one: (one["seconds"], -one["valid"] if higher else one["valid"])):
        if not found or (one["valid"] > found[-1]["valid"] if higher else one["valid"] < found[-1]["valid"]):
            found.append(one)
    return found


def describe_shape(name: str, data: Mapping[str, Any]) -> str | None:
    """The figure in words, of those that stand here."""
    if name == "distribution":
        return f"How many rows have which {data['unit']}, by truth and as predicted."
    if name == "calibration":
        return f"How often what was said came true over its probability; calibration error {data['error']:.3f}."
    if name == "cost":
        best = ", ".join(one["name"] for one in frontier(data["models"], bool(data["higher_is_better"])))
        return f"Score of each model over the seconds it takes to fit; none is better for as little than {best}."
    return None


PAINTERS = {
    "distribution": (distribution, lambda data: (WIDTH, 2.9)),
    "calibration": (calibration, lambda data: (WIDTH, 3.4)),
    "cost": (cost, lambda data: (WIDTH, 3.2)),
}
