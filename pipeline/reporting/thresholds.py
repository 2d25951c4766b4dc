"""What classes are decided by, in one table: thresholds or cut points of the blend and of each model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log
from typing import Any

from pipeline.reporting.findings import short

CLASSES = 10
"""Classes that have a column, those whose thresholds lie furthest from the others'."""


def thresholds(
    blend: Mapping[str, Any] | None, competition: str, show: Callable[[float | None], str]
) -> dict[str, Any] | None:
    """``told``: how to read it. ``columns``: names. ``rows``: cells, of what is submitted first; None where classes
    are answered as they come.

    blend: as ``blend.json`` has it. show: of a score.
    """
    if not blend or not blend.get("models"):
        return None
    alone = len(blend["models"]) == 1
    rows = {"blend": blend, **({} if alone else blend["models"])}
    found = {name: one["decision"] for name, one in rows.items() if one["decision"] is not None}
    if not found:
        return None
    told, limits = _told(found)
    names = list(dict.fromkeys(name for one in limits.values() for name in one))
    named = {"blend": next(iter(blend["models"]))} if alone else {}
    body = [
        [
            short(named.get(name, name), competition),
            *[f"{limits[name][one]:.3f}" if one in limits.get(name, ()) else "" for one in names],
            show(one["valid"]),
            show(one["decided"]),
        ]
        for name, one in rows.items()
    ]
    return {"told": told, "columns": ["Model", *names, "Without", "With"], "rows": body}


def _told(found: Mapping[str, Mapping[str, Any]]) -> tuple[str, dict[str, dict[str, float]]]:
    first = next(iter(found.values()))
    if "parts" in first:
        return _each_target(found)
    return _cuts(found) if "cuts" in first else _limits(found)


def _each_target(found: Mapping[str, Mapping[str, Any]]) -> tuple[str, dict[str, dict[str, float]]]:
    limits: dict[str, dict[str, float]] = {name: {} for name in found}
    told = []
    for target in dict.fromkeys(target for one in found.values() for target in one["parts"]):
        of_target = {name: one["parts"][target] for name, one in found.items() if target in one["parts"]}
        words, own = _told(of_target)
        told.append(f"{target}: {words}")
        for name, values in own.items():
            limits[name] |= {f"{target}: {key}": value for key, value in values.items()}
    every = list(dict.fromkeys(key for one in limits.values() for key in one))
    kept = every[:CLASSES]
    cut = f" Of {len(every)} the first {CLASSES}." if len(every) > CLASSES else ""
    alike = {words.partition(": ")[2] for words in told}
    words = f"By target. {alike.pop()}" if len(alike) == 1 else " ".join(told)
    return f"{words}{cut}", {name: {key: one[key] for key in kept if key in one} for name, one in limits.items()}


def _limits(found: Mapping[str, Mapping[str, Any]]) -> tuple[str, dict[str, dict[str, float]]]:
    first = next(iter(found.values()))["thresholds"]
    if len(first) == 2:
        second = list(first)[1]
        told = f"{second} is answered where its probability is above the threshold, in place of 0.5."
        return told, {name: {f"{second} above": one["thresholds"][second]} for name, one in found.items()}
    even = 1 / len(first)
    furthest = sorted(first, key=lambda name: -abs(log(first[name] / even)))[:CLASSES]
    kept = [name for name in first if name in furthest]
    told = (
        "The class is answered whose probability is largest in proportion to its threshold, "
        f"in place of {even:.3f} for each"
    )
    told += f"; of {len(first)} classes the {CLASSES} furthest from that." if len(kept) < len(first) else "."
    return told, {name: {key: one["thresholds"][key] for key in kept} for name, one in found.items()}


def _cuts(found: Mapping[str, Mapping[str, Any]]) -> tuple[str, dict[str, dict[str, float]]]:
    first = next(iter(found.values()))
    lowest = first.get("lowest", 0)
    middle = ", ".join(f"{lowest + i + 0.5:g}" for i in range(min(len(first["cuts"]), CLASSES)))
    told = f"The next of the ordered classes is answered from each cut of the expected one on, in place of {middle}."
    return told, {
        name: {f"Cut {i + 1}": cut for i, cut in enumerate(one["cuts"][:CLASSES])} for name, one in found.items()
    }
