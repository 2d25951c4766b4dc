"""What fits into ``add --minutes``: which models, for how many epochs, validated by folds or once."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from pipeline.core.processor import multiplies_bfloat16

PORTFOLIO_FOLDS = 5
"""Folds that a portfolio's ``seconds`` are for."""
HOPELESS = 1.0
"""Part of a budget that a model may be expected to take by itself and still be tried."""
ROOM = 0.7
"""Part of a budget that a model whose epochs follow it is laid out for."""
LONG = 0.2
"""Part of a budget that a fit on all rows may take after a holdout; where one takes longer, the models that were
validated answer."""
SHORT_PRODUCTS = 1.6
"""How much faster networks train by ``precision: auto`` where the processor has products of 16 bits."""
LONG_FIT = 60.0
"""Seconds from which a network's fit takes the cores that would idle beside it, where one fold validates."""
MOST_THREADS = 8
"""Threads beyond which steps of the portfolios' size gain too little."""
MANY = 20_000
"""Training images from which three folds, or a part held out once, tell enough."""
FOLDED = ("stratified", "shuffled", "grouped")
"""Splits in place of which a part may be held out: of each class its part, of groups whole ones."""


def hold_out_once(
    competition: dict[str, Any], models: Mapping[str, Any], minutes: float, rows: int, thousand_rows: float
) -> None:
    """Where folds would cost the first model epochs that it has use for, rows held out once validate in their place.

    Three folds of MNIST and a fit on all rows left a LeNet 7 epochs of ten minutes; held out once, two networks have
    14 and 6 of them, side by side.
    """
    split: dict[str, Any] = competition["split"]
    first: Mapping[str, Any] = next(iter(models.values()), {})
    if rows < MANY or split["name"] not in FOLDED or "epochs" not in first:
        return
    longest = _of_one_fold(first, thousand_rows) * ceil(_folds_a_place(first, split["folds"]))
    longest *= first["epochs"][1] / first["fit"]["epochs"]
    if longest > ROOM * 60 * minutes:
        kept = {key: split[key] for key in ("seed", "alike") if key in split}
        competition["split"] = {"name": "holdout", "rows": "random", **kept}
        if "split" in (why := competition.get("guessed") or {}):
            why["split"] = f"{rows} images, and {minutes:g} min: a tenth, held out once, leaves time for more epochs"


def _folds_a_place(body: Mapping[str, Any], folds: int) -> float:
    """How many folds each of the places has to do at which they run side by side; below 1 where places stay free."""
    from pipeline.training.executors import available_cores

    return folds / max(available_cores() // (body.get("fit") or {}).get("threads", 1), 1)


def _of_one_fold(body: Mapping[str, Any], thousand_rows: float) -> float:
    """Seconds that one of the model's folds is expected to take."""
    seconds = float(body.get("seconds", 1.0)) / PORTFOLIO_FOLDS * thousand_rows
    short = (body.get("fit") or {}).get("precision") == "auto" and multiplies_bfloat16()
    return seconds / SHORT_PRODUCTS if short else seconds


def within(models: Mapping[str, Any], minutes: float, thousand_rows: float, split: Mapping[str, Any]) -> dict[str, Any]:
    """The models that may fit into so many minutes, each with the budget and the seconds it is
    expected to take; which of them do fit is seen when they run. Long texts count as more rows.

    Models whose epochs follow the budget have as many as their folds have time for on the cores that those before them
    leave: other models' folds fill what a last round leaves idle.
    """
    folds = 1 if split["name"] == "holdout" else split.get("folds", 5)
    room = left = ROOM * 60 * minutes
    kept: dict[str, Any] = {}
    for key, body in models.items():
        fit = body.get("fit") or {}
        one, each, part = _of_one_fold(body, thousand_rows), _folds_a_place(body, folds), 0.0
        seconds = one * ceil(each)
        if span := body.get("epochs"):
            most = max(span[1], fit["epochs"])  # few rows are gone through more often
            longer = min(room / (one * max(each, 1.0)), left / (one * each))
            epochs = min(max(int(longer * fit["epochs"]), span[0]), most)
            one *= epochs / fit["epochs"]
            seconds, part = one * ceil(each), one * each
            body = {**body, "fit": {**fit, "epochs": epochs}}
        seconds = max(seconds, 1.0)
        if not kept or seconds < HOPELESS * 60 * minutes:
            kept[key] = {**body, "budget": {"minutes": minutes, "seconds": round(seconds, 1)}}
            left = max(left - part, 0.0)
    return kept


def sharing_cores(models: Mapping[str, Any], thousand_rows: float) -> dict[str, Any]:
    """The models where one fold is all there is: long fits of networks share the cores, since nothing else would work
    on these. ``seconds`` stay those of one core."""
    from pipeline.training.executors import available_cores

    long = [
        key
        for key, body in models.items()
        if "epochs" in (body.get("fit") or {}) and _of_one_fold(body, thousand_rows) >= LONG_FIT
    ]
    threads = min(available_cores() // max(len(long), 1), MOST_THREADS)
    if threads < 2:
        return dict(models)
    return {
        key: {**body, "fit": {**body["fit"], "threads": threads}} if key in long else body
        for key, body in models.items()
    }


def answer_as_validated(competition: dict[str, Any], models: Mapping[str, Any], minutes: float) -> None:
    """Where one fold validates and a fit is long, all minutes go into that one: no rows more are worth half of the
    epochs."""
    split = competition["split"]
    longest = max((body["budget"]["seconds"] for body in models.values()), default=0.0)
    if split["name"] == "holdout" and "refit" not in split and longest > LONG * 60 * minutes:
        competition["split"] = {**split, "refit": False}
        if "split" in (why := competition.get("guessed") or {}):
            why["split"] += "; nothing is fitted again on all rows (refit), for which the budget is too short"
