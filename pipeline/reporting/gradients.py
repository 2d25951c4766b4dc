"""The picture of a network's training by layer: gradients over steps, outputs and gradients through depth, and what
recurrent layers remember."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from pipeline.reporting.style import BLUE, INK, VERMILION, WIDTH, main_title, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ABREAST = 2
"""Panels side by side."""
MOST = 12
"""Layers drawn as lines at most, evenly chosen through depth."""


def shows(trace: Mapping[str, Any]) -> bool:
    """Whether there is more to see than one layer's gradient."""
    return len(_panels(trace)) > 1


def _panels(trace: Mapping[str, Any]) -> list[str]:
    layers = trace.get("layers", {})
    depth = ["forward", "backward"] if len(trace.get("depth", [])) > 1 else []
    recurrent = sorted(name for name, own in layers.items() if any(own.get("memory", [])))
    return ["gradient", *depth, *recurrent[:1]] if layers else []


def draw(figure: Figure, data: Mapping[str, Any]) -> None:
    """data: a trace, see ``training/watching.py``."""
    main_title(figure, "Does the gradient reach every layer?")
    names = _panels(data)
    across = min(max(len(names), 1), ABREAST)
    grid = figure.subplots(max(ceil(len(names) / across), 1), across, squeeze=False)
    for empty in grid.flat[len(names) :]:
        empty.set_axis_off()
    for axes, name in zip(grid.flat, names):
        if name == "gradient":
            _over_steps(axes, data, drawn(data))
        elif name == "forward":
            _through_depth(axes, data, "forward", "Outputs by depth", "root mean square")
        elif name == "backward":
            _through_depth(axes, data, "backward", "Backpropagated", "norm by the output")
        else:
            _over_distance(axes, data, name)


def size(data: Mapping[str, Any]) -> tuple[float, float]:
    return WIDTH, 2.7 * max(ceil(len(_panels(data)) / ABREAST), 1)


def drawn(data: Mapping[str, Any]) -> list[str]:
    """The layers that are drawn over steps: those through depth, or where that is one all that learn."""
    known = sorted(name for name, own in data["layers"].items() if "gradient" in own)
    return list(data["depth"]) if len(data["depth"]) > 1 else known


def _over_steps(axes: Axes, data: Mapping[str, Any], depth: Sequence[str]) -> None:
    """A line a layer, the first ones blue, the last ones vermilion."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.ticker import MaxNLocator

    colours = LinearSegmentedColormap.from_list("depth", [BLUE, "#B9B9C3", VERMILION])
    chosen = sorted({round(k * (len(depth) - 1) / (MOST - 1)) for k in range(MOST)})
    for place in chosen:
        values = data["layers"][depth[place]].get("gradient", [])
        known = [(step, value) for step, value in zip(data["steps"], values, strict=False) if value]
        label = shortened(depth[place], 18) if place in (chosen[0], chosen[-1]) else None
        axes.plot(
            [step for step, _ in known],
            [value for _, value in known],
            color=colours(place / max(len(depth) - 1, 1)),
            linewidth=1.1,
            marker="o" if len(known) == 1 else None,
            markersize=3,
            label=label,
        )
    axes.set_title("Gradients by layer")
    axes.set_ylabel("norm by the weights")
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    _logarithmic(axes)
    axes.legend(loc="best", fontsize=7.5)


def _through_depth(axes: Axes, data: Mapping[str, Any], measure: str, title: str, unit: str) -> None:
    """At the first and the last step that was looked at."""
    from matplotlib.ticker import MaxNLocator

    depth = data["depth"]
    for k, colour in ((0, INK), (-1, VERMILION)):
        values = [own[k] if (own := data["layers"][name].get(measure)) else None for name in depth]
        known = [(place + 1, value) for place, value in enumerate(values) if value]
        label = f"step {data['steps'][k]}"
        axes.plot([at for at, _ in known], [v for _, v in known], color=colour, marker="o", markersize=3, label=label)
    axes.set_title(title)
    axes.set_xlabel("layer")
    axes.set_ylabel(unit)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    _logarithmic(axes)
    axes.legend(loc="best", fontsize=7.5)


def _over_distance(axes: Axes, data: Mapping[str, Any], layer: str) -> None:
    """What a state has of the steps before, at the first and the last step that was looked at."""
    flows = [(step, flow) for step, flow in zip(data["steps"], data["layers"][layer]["memory"], strict=False) if flow]
    for (step, flow), colour in ((flows[0], INK), (flows[-1], VERMILION)):
        known = [(2**k, value) for k, value in enumerate(flow) if value]
        axes.plot(
            [at for at, _ in known], [v for _, v in known], color=colour, marker="o", markersize=3, label=f"step {step}"
        )
    axes.set_title(f"Memory of {shortened(layer, 18)}")
    axes.set_xlabel("steps of the text before")
    axes.set_ylabel("gradient, of its own")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    _logarithmic(axes)
    axes.legend(loc="best", fontsize=7.5)


def _logarithmic(axes: Axes) -> None:
    """Powers of ten; two of them at least, so that noise does not look like a fall."""
    from matplotlib.ticker import LogLocator, NullFormatter

    drawn: list[Any] = [line.get_ydata() for line in axes.lines]
    values = [float(value) for heights in drawn for value in heights if value > 0]
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    if values:
        low, high = min(values) / 1.5, max(values) * 1.5
        if high / low < 100:
            middle = (low * high) ** 0.5
            low, high = middle / 10, middle * 10
        axes.set_ylim(low, high)


def describe(data: Mapping[str, Any]) -> str:
    """In words."""
    shown, steps = drawn(data), data["steps"]
    last = [own[-1] for name in data["depth"] if (own := data["layers"][name].get("backward")) and own[-1]]
    between = (
        f"; at the last one gradients by their outputs lie from {min(last):.1e} to {max(last):.1e}" if last else ""
    )
    return f"Norms of the gradients of {len(shown)} layers at {len(steps)} steps of the first fold{between}."
