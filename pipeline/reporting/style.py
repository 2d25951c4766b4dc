"""The look of pictures: colours of Okabe and Ito (2008), which colour-blind readers can tell apart, and sizes."""

from __future__ import annotations

import math
import textwrap
from typing import Any

BLUE, VERMILION, GREEN, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#8A8F98", "#1F2328"
CYCLE = (BLUE, VERMILION, GREEN, "#CC79A7", "#E69F00", "#56B4E9")
WIDTH = 5.4
"""Inches; at 144 dots an inch a picture is finer than the page shows it. Two stand abreast on a desktop, and a phone
shows one whole, with labels that can be read."""
BOLD = 0.087
"""Inches that a letter of a title takes on average."""
CAPTION = 14
"""Letters in a line over one of six images side by side."""
STYLE: dict[Any, Any] = {
    "figure.dpi": 144,
    "savefig.dpi": 144,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a '$' in a column's name is a dollar
    "axes.edgecolor": "#C4C9D0",
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "grid.color": "#E8EAED",
    "grid.linewidth": 0.8,
    "xtick.color": "#57606A",
    "ytick.color": "#57606A",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}


def plain_numbers(axis: Any, whole: bool = False) -> None:
    """140k rather than 140000, and no offset in a corner. whole: ticks at whole numbers alone."""
    from matplotlib.ticker import EngFormatter, MaxNLocator, ScalarFormatter

    low, high = axis.get_view_interval()
    large = max(abs(low), abs(high)) >= 1e4
    axis.set_major_formatter(EngFormatter(sep="") if large else ScalarFormatter(useOffset=False))
    axis.set_major_locator(MaxNLocator(5, integer=whole))


def few_ticks(axis: Any, narrow: bool = False) -> None:
    """A few of each power of ten on a logarithmic axis, in plain numbers. narrow: room for three."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    span = high / low if low > 0 else math.inf
    some = (1.0, 2.0, 5.0) if span < 20 else (1.0, 3.0) if span < 500 and not narrow else (1.0,)  # more would crowd
    axis.set_major_locator(LogLocator(subs=some, numticks=4 if narrow else None))
    large = EngFormatter(sep="")
    axis.set_major_formatter(lambda value, place: large(value, place) if value >= 1 else f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def shortened(name: object, width: int) -> str:
    text = " ".join(str(name).split())
    return text if len(text) <= width else f"{text[: width - 8]}…{text[-7:]}"


def caption(words: str) -> str:
    """What stands over one of six images side by side: two lines of its width at most."""
    return "\n".join(textwrap.wrap(words, CAPTION, max_lines=2, placeholder="…"))


def main_title(figure: Any, text: str) -> None:
    """What there is to see, over all panels and their labels, in as many lines as it takes."""
    lines = textwrap.wrap(text, int(figure.get_figwidth() * 0.98 / BOLD), break_long_words=True)
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=10, fontweight="bold")


def main_label(figure: Any, text: str) -> None:
    """Under a panel that the names beside it leave too little room for what its bars are."""
    figure.supxlabel(text, fontsize=10)
