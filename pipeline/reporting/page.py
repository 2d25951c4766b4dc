"""A competition's report: one HTML file that needs nothing else, on screen, offline and on paper."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import counted
from pipeline.core.shares import percent, span
from pipeline.reporting.cleaning import cleaning_table
from pipeline.reporting.figures import describe, draw
from pipeline.reporting.findings import short
from pipeline.reporting.gradients import shows
from pipeline.reporting.numbers import Numbers, alike
from pipeline.reporting.sections import costs, errors, marked, settings
from pipeline.reporting.thresholds import thresholds

if TYPE_CHECKING:
    from markupsafe import Markup

TEMPLATE = Path(__file__).with_name("page.html")
PHOTOS = ("mistakes", "filters", "maps", "saliency", "attention")
"""Figures whose colours mean something, which a dark page leaves as they are."""
FINE = 1.4
"""Pixels of a picture for one of the page."""
MOST_GRAVE = 2
"""Findings that a card has room to name."""
COLUMNS = 100
"""Names of columns in one cell."""


def build_page(data: Mapping[str, Any]) -> str:
    """The page as HTML; every text in ``data`` is escaped.

    competition, task, metric: names. higher_is_better: of the metric.
    submission: where it lies, None without test rows.
    rows: {"train": count, "test": count, "folds": count}.
    findings, muted, failed, asked, baseline, interval, fit, comparison: as ``diagnosis.diagnose`` gives them.
    leaderboard: rows in their order, the blend's (model "blend") first where there is one:
      {"model", "features", "train", "valid", "spread", "folds": [validation score, ...], "trials",
      "weight", "test", "decided": validation with a decision rule}; numbers that are not known are None.
    models: {"model", "curves", "gradients", "diagnostic": {"name", "data"}, "importance", "search"}, in any order;
      each of the last five as ``figures.draw`` takes it, or None. "interval": see ``Metric.interval``; "look": see
      ``Task.look``. "explained": figures of what it looks at, "words" and "sample": see ``training.explaining``;
      "unexplained": why there are none. "settings": as ``tuned/settings.json`` has them. "over": curves
      over settings or rows; what they say stands in ``curves`` of the payload, by model.
    answers: such a diagnostic of the blend, or None.
    blend: as ``blend.json`` has it, or None. calibrated: sentences on what follows it.
    read: {"sets": feature sets, "columns": raw columns that just these read}; dropped: raw column to
      the reason that no model reads it. notes: sentences a reader must know.
    slices, worst: as ``diagnosis.slices`` and ``diagnosis.worst`` give them. shapes: figures of the blend's answers.
    best: the best model's name. costs: by model, as ``stages.costs.model_cost`` gives it.
    cleaning: what each step of cleaning did, as ``Changes.to_json`` tells it.
    """
    rows = data["leaderboard"]
    lead = [row for row in rows if row["model"] == "blend"]
    single = [row for row in rows if row["model"] != "blend"]
    show = alike([row["valid"] for row in rows], [row["spread"] or 0.0 for row in rows])
    anchors = {entry["model"]: f"model-{entry['model']}" for entry in data["models"]}
    better = "higher" if data["higher_is_better"] else "lower"
    models = _models(data, single, show, anchors)
    weights = {short(name, data["competition"]): weight for name, weight in _weights(data).items()}
    return _template().render(
        competition=data["competition"],
        metric=data["metric"],
        higher_is_better=data["higher_is_better"],
        facts=(
            f"{data['task'].replace('_', ' ').capitalize()}, scored by {data['metric']} ({better} is better): "
            f"{data['rows']['train']:,} training rows in {_folds(data['rows']['folds'])}, "
            f"{data['rows']['test']:,} test rows"
        ),
        cards=_cards(data, lead, single, show),
        findings=data["findings"],
        asked=data["asked"],
        muted=data["muted"],
        failed=data["failed"],
        submission=data["submission"],
        **_table(data, rows, show, anchors),
        leaderboard_figure=_leaderboard(data),
        undrawn=len(single) - len(_able(data, single)),
        blend_figure=("blend", weights) if weights and len(single) > 1 else None,
        blend_text=_blend_text(data, single, show),
        answers=data["answers"] and (data["answers"]["name"], data["answers"]["data"]),
        shapes=data["shapes"],
        calibrated=data["calibrated"],
        thresholds=thresholds(data["blend"], data["competition"], show),
        best=next((one for one in models if one["model"] == data["best"]), None),
        models=models,
        **errors(data, show),
        **costs(data),
        notes=data.get("notes", ()),
        read=[(", ".join(one["sets"]), _named(one["columns"])) for one in data.get("read", ())],
        dropped=sorted(data.get("dropped", {}).items()),
        **cleaning_table(data.get("cleaning", ())),
        picture=_picture,
    )


def _leaderboard(data: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    lead = [row for row in data["leaderboard"] if row["model"] == "blend"]
    single = [row for row in data["leaderboard"] if row["model"] != "blend"]
    figure = {
        "models": [_scores(row, data) for row in _able(data, single)],
        "blend": _scores(lead[0], data) if lead else None,
        "metric": data["metric"],
        "higher_is_better": data["higher_is_better"],
    }
    return "leaderboard", figure


def drawn(data: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Pictures that compare the models."""
    cost = costs(data)["cost_figure"]
    return [_leaderboard(data), *([cost] if cost else [])]


def _folds(count: int) -> str:
    return f"{count} folds" if count > 1 else "one fold"


def _able(data: Mapping[str, Any], single: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Models better than the baseline, where there are any: the others would squash them in a picture."""
    if data["baseline"] is None:
        return single
    sign = 1 if data["higher_is_better"] else -1
    return [row for row in single if sign * (row["valid"] - data["baseline"]["valid"]) > 0] or single


def _weights(data: Mapping[str, Any]) -> Mapping[str, float]:
    return data["blend"]["weights"] if data.get("blend") else {}


def _named(columns: Sequence[str]) -> str:
    """Columns in a cell of a table, cut where there are hundreds (pixels)."""
    rest = f" and {len(columns) - COLUMNS:,} more" if len(columns) > COLUMNS else ""
    return ", ".join(columns[:COLUMNS]) + rest


def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["coded"] = _coded
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _coded(text: str) -> Markup:
    """What stands between backticks, such as a command, as code."""
    from markupsafe import Markup, escape

    parts, code = text.split("`"), Markup("<code>{}</code>")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(code.format(part) if i % 2 else escape(part) for i, part in enumerate(parts))


def _picture(figure: tuple[str, Mapping[str, Any]]) -> Markup:
    """A figure inlined, a little finer than it is shown, with its words for those who do not see it."""
    from markupsafe import Markup

    name, data = figure
    png = draw(name, data)
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))  # in the PNG's header
    kind = "photo" if name in PHOTOS else "chart"
    image = Markup('<img alt="{}" width="{}" height="{}" src="data:image/png;base64,{}">').format(
        describe(name, data), round(width / FINE), round(height / FINE), base64.b64encode(png).decode()
    )
    return Markup('<figure class="{}" tabindex="0">{}</figure>\n').format(kind, image)


def _scores(row: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    name = short(row["model"], data["competition"])
    return {"name": name, "folds": row["folds"], "mean": row["valid"], "std": row["spread"] or 0.0}


def _cards(
    data: Mapping[str, Any], lead: Sequence[Mapping[str, Any]], single: Sequence[Mapping[str, Any]], show: Numbers
) -> list[dict[str, str]]:
    """How good, how sure, what is wrong, where the submission lies."""
    best = _best(data, single)
    best_name = short(best["model"], data["competition"])
    first = lead[0] if lead else best
    sure = f"95%: {span(data['interval'], show)}" if data["interval"] else "one fold alone"
    cards = [
        {
            "label": "Blend, validation" if lead and len(single) > 1 else f"{best_name}, validation",
            "number": show(first["valid"]),
            "detail": "one fold" if first["spread"] is None else f"± {show(first['spread'])} over the folds; {sure}",
        }
    ]
    if first["test"] is not None:
        cards.append({"label": "Test", "number": show(first["test"]), "detail": "known solution"})
    if lead and len(single) > 1:
        cards.append({"label": "Best single model, validation", "number": show(best["valid"]), "detail": best_name})
    if data["baseline"] is not None:
        baseline = data["baseline"]
        cards.append({"label": "Baseline", "number": show(baseline["valid"]), "detail": baseline["what"]})
    grave = [one for one in data["findings"] if one["severity"] != "note"]
    told = "; ".join(f"{one['title']} ({one['code']})" for one in grave[:MOST_GRAVE]) or "nothing serious found"
    told += f"; {len(grave) - MOST_GRAVE} more" if len(grave) > MOST_GRAVE else ""
    if notes := len(data["findings"]) - len(grave):
        told += f"; {counted(notes, 'note')}"
    cards.append({"label": "Findings", "number": str(len(grave)), "detail": told})
    return cards


def _best(data: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return (max if data["higher_is_better"] else min)(rows, key=lambda row: row["valid"])


def _table(
    data: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], show: Numbers, anchors: Mapping[str, str]
) -> dict[str, Any]:
    tested = any(row["test"] is not None for row in rows)
    decided = any(row.get("decided") is not None for row in rows)
    weighted = any(row.get("weighted") is not None for row in rows)
    best = _best(data, rows)["model"]
    body = [
        {
            "lead": row["model"] == best,
            "model": short(row["model"], data["competition"]),
            "anchor": anchors.get(row["model"]),
            "features": row["features"] or "",
            "cells": [
                show(row["train"]),
                show(row["valid"]),
                show(row["spread"]),
                *([show(row.get("weighted"))] if weighted else []),
                *([show(row.get("decided"))] if decided else []),
                *([show(row["test"])] if tested else []),
                "" if row["trials"] is None else str(row["trials"]),
                "" if row["weight"] is None else f"{row['weight']:.1%}",
                data["fit"].get(row["model"], {}).get("verdict") or "",
            ],
        }
        for row in rows
    ]
    if (baseline := data["baseline"]) is not None:
        cells = ["", show(baseline["valid"]), *[""] * (weighted + decided + tested + 4)]
        name = f"baseline: {baseline['what']}"
        body.append({"lead": False, "model": name, "anchor": None, "features": "", "cells": cells})
    more = [name for name, there in (("Weighted", weighted), ("Decided", decided), ("Test", tested)) if there]
    columns = ["Model", "Features", "Train", "Validation", "Spread", *more, "Trials", "Weight", "Verdict"]
    shown = {"tested": tested, "with_thresholds": decided, "with_weights": weighted}
    return {**shown, "columns": columns, "rows": body}


def _blend_text(data: Mapping[str, Any], single: Sequence[Mapping[str, Any]], show: Numbers) -> str:
    if not data.get("blend") or not single:
        return ""
    best = _best(data, single)
    gain = data["blend"]["valid"] - best["valid"]
    gain = gain if data["higher_is_better"] else -gain
    verdict = "better than" if gain > 0 else "worse than" if gain < 0 else "the same as"
    by = f"{show(abs(gain))} {verdict}" if gain else verdict
    name = short(best["model"], data["competition"])
    compared = data["comparison"]["blend"]
    noise = " (within what these folds can tell)" if gain and compared and compared["p"] > 0.05 else ""
    return (
        f"The blend’s score of {show(data['blend']['valid'])} is {by} that of the best single model, {name}{noise}. "
        "It is measured on folds that did not choose the weights; the weights shown are chosen on all folds, and "
        "make the submission."
    )


def _models(
    data: Mapping[str, Any], single: Sequence[Mapping[str, Any]], show: Numbers, anchors: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Models in the leaderboard's order, each with the figures it has."""
    entries = {entry["model"]: entry for entry in data["models"]}
    shown = []
    for row in single:
        if not (entry := entries.get(row["model"])):
            continue
        figures = []
        if curves := entry.get("curves"):
            figures.append(
                ("curves", {"metric": data["metric"], "higher_is_better": data["higher_is_better"], **curves})
            )
        if (gradients := entry.get("gradients")) and shows(gradients):
            figures.append(("gradients", gradients))
        if diagnostic := entry.get("diagnostic"):
            figures.append((diagnostic["name"], diagnostic["data"]))
        if look := entry.get("look"):
            figures.append((look[0], look[1]))
        if importance := entry.get("importance"):
            figures.append(("importance", importance))
        figures += entry.get("images", [])
        if search := entry.get("search"):
            figures.append(("search", search))
        figures += [("over", one) for one in entry.get("over", ())]
        folds = ", ".join(show(score) for score in row["folds"])
        facts = f"Validation {show(row['valid'])}"
        facts += f" ± {show(row['spread'])}; folds {folds}." if row["spread"] is not None else ", of one fold."
        if interval := entry.get("interval"):
            facts += f" Of all rows together {span(interval, show)}, in 95% of draws of as many rows."
        shown.append(
            {
                "model": row["model"],
                "name": short(row["model"], data["competition"]),
                "explained": entry["explained"],
                "words": marked(entry["words"]),
                "sample": entry["sample"],
                "unexplained": entry["unexplained"],
                "settings": settings(entry["settings"]),
                "anchor": anchors[row["model"]],
                "score": show(row["valid"]),
                "verdict": data["fit"].get(row["model"], {}).get("verdict") or "",
                "facts": facts + _of_fit(data["fit"].get(row["model"]), show),
                "curves": [" ".join(one["told"]) for one in data.get("curves", {}).get(row["model"], ())],
                "figures": figures,
            }
        )
    return shown


def _of_fit(fit: Mapping[str, Any] | None, show: Numbers) -> str:
    if fit is None:
        return ""
    bounds = fit["interval"]
    sure = f" (95%: {span(bounds, show)})" if bounds else ""
    lost = "" if fit["lost"] is None else f", {percent(max(fit['lost'], 0), 0)} of what it learned beyond the baseline"
    size = "" if fit["parameters"] is None else f" {fit['parameters']:,} parameters for {fit['rows']:,} training rows."
    return f" Training rows score {show(fit['train'])}: a gap of {show(fit['gap'])}{sure}{lost}.{size}"
