"""Pictures of translations."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.reporting.style import BLUE, INK, main_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOFT = "#57606A"
LINE = 92
"""Characters of a line of text."""
INCHES = 0.165
"""Of a line of text."""


def translations(figure: Figure, data: Mapping[str, Any]) -> None:
    """Scores by the references' length, and the best and the worst sentences."""
    lines = _lines(data)
    bars, texts = figure.subplots(), None
    if lines:
        figure.clear()
        bars, texts = figure.subplots(2, 1, height_ratios=[2.2, INCHES * len(lines)])
    heights = [one["score"] for one in data["lengths"]]
    bars.bar(range(len(heights)), heights, color=BLUE, width=0.62)
    bars.set_xticks(range(len(heights)), [f"{one['words']}\n{one['rows']:,}" for one in data["lengths"]])
    bars.grid(axis="x", visible=False)
    bars.set_ylim(0, 100)
    main_title(figure, "Are long sentences harder? chrF by length")
    bars.set_xlabel("words of the reference (below: rows)")
    bars.set_ylabel("mean chrF, 100 is best")
    if texts is not None:
        _written(texts, lines)


def _written(texts: Any, lines: list[tuple[str, str, str]]) -> None:
    texts.axis("off")
    texts.set_ylim(len(lines), 0)
    for place, (line, colour, weight) in enumerate(lines):
        texts.text(0, place, line, color=colour, weight=weight, fontsize=7.5, va="top", transform=texts.transData)
    texts.set_xlim(0, 1)


def _lines(data: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for name in ("worst", "best"):
        if not data[name]:
            continue
        found.append((f"The {name} sentences: wanted, said", INK, "bold"))
        for one in data[name]:
            found += [(line, SOFT, "normal") for line in _wrapped(one["target"], f"{one['score']:5.1f}  ")]
            found += [(line, INK, "normal") for line in _wrapped(one["prediction"], "")]
    return found


def _wrapped(text: str, head: str) -> list[str]:
    short = textwrap.shorten(text, 2 * LINE, placeholder=" …") or "(empty)"
    return textwrap.wrap(short, LINE, initial_indent=head or "          ", subsequent_indent="          ")


def translations_size(data: Mapping[str, Any], width: float) -> tuple[float, float]:
    return width, 2.6 + INCHES * len(_lines(data))


def attention(figure: Figure, data: Mapping[str, Any]) -> None:
    """What each token said looked at: dark is much."""
    axes = figure.subplots()
    axes.imshow(data["weights"], cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.grid(False)
    axes.set_xticks(range(len(data["source"])), data["source"], rotation=90)
    axes.set_yticks(range(len(data["target"])), data["target"])
    main_title(figure, "What each token said looks at")
    axes.set_xlabel("token read (dark: looked at)")
    axes.set_ylabel("token said")
    for side in axes.spines.values():
        side.set_visible(True)


def attention_size(data: Mapping[str, Any]) -> tuple[float, float]:
    return max(3.4, 1.8 + 0.26 * len(data["source"])), max(2.6, 1.8 + 0.2 * len(data["target"]))


def describe_text(name: str, data: Mapping[str, Any]) -> str:
    if name == "attention":
        return f"What each of {len(data['target'])} tokens said looked at among {len(data['source'])} tokens read."
    if not data["worst"]:
        return "Mean chrF of sentences by the length of their reference."
    worst, best = data["worst"][0], data["best"][0]
    return (
        f"Mean chrF of sentences by length, and the best and worst. Worst: {worst['prediction']} for "
        f"{worst['target']}. Best: {best['prediction']} for {best['target']}."
    )
