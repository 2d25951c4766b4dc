"""Sections of a competition as written -> their settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline.core.errors import Faults, UserError, did_you_mean, quoted
from pipeline.core.registry import Registry, build_settings
from pipeline.core.sections import OwnColumns, Submission


def build_own_columns(raw: Any, where: str) -> OwnColumns:
    """``own_columns: pipeline/features/own/mine.py`` or ``own_columns: {path: …}``."""
    return build_settings(OwnColumns, {"path": raw} if isinstance(raw, str) else raw, where)


def muted(raw: Any, findings: Registry, where: str) -> tuple[str, ...]:
    """``mute: [POD103]``: codes of findings. Raises Faults for what is no list, and for codes that there are not."""
    if raw is None:
        return ()
    if not isinstance(raw, list | tuple):
        raise Faults([f"{where}: needs a list of findings' codes, such as [{next(iter(findings))}], got {quoted(raw)}"])
    faults = [
        f"{where}: no finding {quoted(code)}{did_you_mean(str(code), findings)}" for code in raw if code not in findings
    ]
    if faults:
        raise Faults(faults)
    return tuple(raw)


SEARCH = {"name": "sampling", "temperature": 0.8, "top_k": 40, "top_p": 0.95}
"""How continuations are chosen where nothing else is said."""


def build_submission(raw: Any, searches: Registry, where: str) -> Submission:
    """``submission: classes`` or ``submission: {format: classes}``."""
    built = build_settings(Submission, {"format": raw} if isinstance(raw, str) else raw, where)
    if built.format == "continuations":
        return replace(built, search=searches.build(built.search or SEARCH, f"{where}.search"))
    if said := [key for key in ("length", "search", "seed") if isinstance(raw, Mapping) and key in raw]:
        raise UserError(f"{where}.{said[0]}: is of the format continuations, got {built.format}; take it out")
    return built
