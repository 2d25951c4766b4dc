"""The report in words and tables: ``report.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.shares import span
from pipeline.reporting.findings import short
from pipeline.reporting.thresholds import thresholds


def markdown(data: Mapping[str, Any]) -> str:
    """From the payload that the page is made of."""
    name = data["competition"]
    lines = [f"# {name}", "", f"{data['task']}, scored by {data['metric']}.", ""]
    blend, baseline = data["blend"], data["baseline"]
    lines.append(f"- How good: {blend['valid']:.5f} on validation rows, blended.")
    if data["interval"] is not None:
        lines.append(f"- How sure: {span(data['interval'], '{:.5f}'.format)} (95%, over folds).")
    if baseline is not None:
        lines.append(f"- Baseline, {baseline['what']}: {baseline['valid']:.5f}.")
    lines += [f"- Submission: {data['submission'] or 'none, since there is no test file'}", "", "## Findings", ""]
    for one in data["findings"]:
        lines += [f"- **{one['code']}** ({one['severity']}) {one['title']}: {one['measured']}"]
        lines += [f"  - Why it matters: {one['why']}", f"  - Next: {one['next']}"]
    lines += [] if data["findings"] else ["Nothing found to be the matter."]
    if data["notes"]:
        lines += ["", "## How far to trust the scores", "", *(f"- {note}" for note in data["notes"])]
    if slices := data["slices"]["found"]:
        lines += ["", "## Where answers err", ""]
    for one in slices:
        side = "harder" if one["harder"] else "easier"
        scores = f"{one['inside']:.5f} against {one['outside']:.5f}"
        lines.append(f"- {one['column']}, {one['slice']}: {side}, {scores} ({one['rows']:,} rows)")
    lines += ["", "## Models", "", "| model | train | validation | spread | verdict |", "|---|---:|---:|---:|---|"]
    for row in data["leaderboard"]:
        verdict = data["fit"].get(row["model"], {}).get("verdict") or ""
        told = [_told(row[key]) for key in ("train", "valid", "spread")]
        lines.append(_row([short(row["model"], name), *told, verdict]))
    if decided := thresholds(blend, name, _told):
        lines += ["", "## Thresholds", "", decided["told"], ""]
        lines += [_row(decided["columns"]), "|---" + "|---:" * (len(decided["columns"]) - 1) + "|"]
        lines += [_row(cells) for cells in decided["rows"]]
    curves = [(model, curve) for model, some in data.get("curves", {}).items() for curve in some]
    lines += ["", "## Curves", ""] if curves else []
    lines += [f"- {short(model, name)}: {' '.join(curve['told'])}" for model, curve in curves]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """On one line and without a bare bar, either of which ends a cell: a class may be called anything."""
    return " ".join(text.splitlines()).replace("|", "\\|")


def _told(score: float | None) -> str:
    return "" if score is None else f"{score:.5f}"
