"""Texts and the final models -> translations, the best first, on stdout."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.commands.generate import check_text, chosen_models
from pipeline.core.errors import UserError
from pipeline.stages.project import load_project

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.answering.translating import Translation

SHADES = ((255, 255, 255), (0, 48, 75))
"""Of a heat map: nothing, everything."""
WIDEST = 12
"""Characters of a token's name."""
MOST = 1000
"""Translations of a text: a search for so many goes on with as many beginnings at each token."""


def run(
    name: str,
    texts: Sequence[str] = (),
    model: str | None = None,
    n_best: int = 3,
    attention: bool = True,
    plain: bool = False,
) -> None:
    """texts: none reads them from stdin, one a line. plain: the best translation of each, one a line, and no more."""
    from pipeline.core.seeds import fix_threads

    config = load_project()
    fix_threads(config.execution.threads)
    if not 1 <= n_best <= MOST:
        raise UserError(f"--n-best: needs a number from 1 to {MOST}, got {n_best}")
    models, ensemble = chosen_models(config, name, model, "translate", "translation")
    sources = list(texts) or _lines()
    for text in sources:
        check_text(text, "text")
    asked = [text for text in sources if text.strip()]
    if not asked:
        raise UserError("translate: needs texts, as arguments or on stdin, one a line; got none")

    from pipeline.answering.translating import Translator

    translator = Translator(models, ensemble)
    found = iter(translator.translate(asked, 1 if plain else n_best, _tell, attention and not plain))
    try:
        if plain:
            lines = ((" ".join(next(found).texts[0].split("\n")) if text.strip() else "") for text in sources)
            sys.stdout.writelines(f"{line}\n" for line in lines)
        else:
            from rich.console import Console

            console = Console(highlight=False, soft_wrap=True)
            for text in asked:
                _write(console, text, next(found))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has enough; what Python still holds must not fail at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _lines() -> list[str]:
    """Of stdin, ended by ``\\n`` as those of training files are, or by Windows' ``\\r\\n``: whatever else ends a line
    in a terminal may stand within a text."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(newline="\n")
    *lines, last = sys.stdin.read().split("\n")
    return [line.removesuffix("\r") for line in (*lines, last)[: len(lines) + bool(last)]]


def _tell(line: str) -> None:
    sys.stderr.write(f"warning: {line}\n")


def _write(console: Console, text: str, found: Translation) -> None:
    from rich.text import Text

    console.print(Text(text, style="bold"))
    for said, score in zip(found.texts, found.scores, strict=True):
        console.print(Text(f"  {score:8.4f}  {said}"))
    if found.attention is not None:
        for some in _blocks(found, console.width):
            console.print()
            console.print(some)
    console.print()


def _blocks(found: Translation, width: int) -> list[Any]:
    """The heat map as tables beside each other that fit the terminal: a row each token said, a column each token read,
    percent of what it looks at."""
    from rich.table import Table
    from rich.text import Text

    if found.attention is None:
        return []
    left = max(len(_short(token)) for token in found.target)
    columns = [max(3, len(_short(token))) for token in found.source]
    blocks: list[list[int]] = [[]]
    for column, wide in enumerate(columns):
        if blocks[-1] and left + sum(columns[i] + 1 for i in blocks[-1]) + wide + 1 > width:
            blocks.append([])
        blocks[-1].append(column)
    tables = []
    for block in blocks:
        table = Table(box=None, padding=(0, 0, 0, 1), pad_edge=False, collapse_padding=True)
        table.add_column("", justify="right", no_wrap=True)
        for column in block:
            table.add_column(Text(_short(found.source[column])), justify="right", min_width=3, no_wrap=True)
        for token, weights in zip(found.target, found.attention, strict=True):
            cells = [_cell(float(weights[column]), columns[column]) for column in block]
            table.add_row(Text(_short(token)), *cells)
        tables.append(table)
    return tables


def _cell(weight: float, width: int) -> Any:
    from rich.text import Text

    low, high = SHADES
    red, green, blue = (round(a + (b - a) * weight) for a, b in zip(low, high, strict=True))
    ink = "black" if weight < 0.5 else "white"
    return Text(f"{100 * weight:.0f}".rjust(width), style=f"{ink} on rgb({red},{green},{blue})")


def _short(token: str) -> str:
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in token)
    return shown if len(shown) <= WIDEST else f"{shown[: WIDEST - 1]}…"
