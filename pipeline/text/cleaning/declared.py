"""``competitions.X.clean`` as written -> the steps of each column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.core.cleaning import Clean, Cleaner
from pipeline.core.errors import Faults, quoted
from pipeline.text.cleaning import cleaners

DEFAULT = ("mojibake", "line_ends", "control", "spaces", "invisible", "normalization")
"""What no reader sees the difference of, in any language, and every tokenizer does. Case, addresses, markup and white
space (which is meaning in verse and code) are left to whoever knows the texts."""


def build_clean(raw: Any, where: str) -> Clean:
    """``[step, ...]`` for all text columns that are inputs, or ``{column: [step, ...]}``, where the others keep the
    default. A step is a name or ``{name: ..., setting: ...}``; ``default`` among them stands for the default ones,
    and ``none`` in place of a list for no step. None: the default.

    Raises Faults with every fault of every step.
    """
    if not isinstance(raw, Mapping):
        return Clean(_steps("default" if raw is None else raw, where))
    faults: list[str] = []
    columns: dict[str, tuple[Cleaner, ...]] = {}
    for column, steps in raw.items():
        try:
            columns[str(column)] = _steps(steps, f"{where}.{column}")
        except Faults as error:
            faults.extend(error.faults)
    if faults:
        raise Faults(faults)
    return Clean(_steps("default", where), columns)


def _steps(raw: Any, where: str) -> tuple[Cleaner, ...]:
    if raw in ("default", "none"):
        raw = DEFAULT if raw == "default" else ()
    if not isinstance(raw, list | tuple):
        raise Faults([f"{where}: needs a list of steps, 'default' or 'none', got {quoted(raw)}"])
    steps: list[Cleaner] = []
    faults: list[str] = []
    for i, step in enumerate(raw):
        for one in DEFAULT if step == "default" else (step,):
            try:
                steps.append(cleaners.build(one, f"{where}[{i}]"))
            except Faults as error:
                faults.extend(error.faults)
    if faults:
        raise Faults(faults)
    return tuple(steps)
