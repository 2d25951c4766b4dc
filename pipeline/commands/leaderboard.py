"""Fold scores, blend, solution -> the table of models a person reads at the end."""

from __future__ import annotations

import sys

from pipeline.answering.left_out import kept_models
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.core.paths import CompetitionPaths, project_root
from pipeline.reporting.findings import finding_lines
from pipeline.reporting.leaderboard import (
    answered,
    leaderboard_rows,
    metric_label,
    pending,
    table_lines,
    untested,
    weighted_by,
)
from pipeline.stages.costs import seconds_of
from pipeline.stages.project import load_project


def run(name: str | None) -> None:
    config = load_project()
    without = []
    for competition in [config.competition(name)] if name else config.competitions.values():
        paths = CompetitionPaths(competition.name)
        rows = leaderboard_rows(config, competition)
        told = read_json(paths.report / "report.json") if (paths.report / "report.json").exists() else None
        if not rows:
            without.append(competition.name)
            continue
        better = "higher" if competition.metric.higher_is_better else "lower"
        lines = [
            "",
            f"{competition.name}: {metric_label(competition)}, {better} is better",
            *table_lines(rows, told and told["baseline"], seconds_of(competition.name, rows)),
        ]
        if paths.blend.exists():
            blend = read_json(paths.blend)
            lines += [f"blend: {line}" for line in answered(blend)]
            lines += [shift] if (shift := weighted_by(blend)) is not None else []
        lines += untested(rows)
        kept = kept_models(config, competition.name)
        if gone := [model.name for model in config.models_of(competition.name) if model not in kept]:
            lines.append(f"left out: {', '.join(gone)}; the report says why")
        if unfinished := pending(config, competition):
            lines.append(f"not finished: {', '.join(unfinished)}; run `dvc repro`")
        if told is not None:
            lines += finding_lines(told["findings"])
        made = {"report:     ": paths.report / "index.html"}
        if paths.test_rows.exists():  # without a test file the submission is its head alone
            made = {"submission: ": paths.submission, **made}
        lines += [f"{what}{place.relative_to(project_root())}" for what, place in made.items() if place.exists()]
        sys.stdout.write("\n".join(lines) + "\n")
    if without:
        run_them = "dvc repro" if len(without) > 1 else f"dvc repro report@{without[0]}"
        missing = f"{', '.join(without)}: no model has a score yet; run `{run_them}`"
        if len(without) == (1 if name else len(config.competitions)):
            raise UserError(missing)
        sys.stdout.write(f"\n{missing}\n")
    sys.stdout.write("every run, fold and trial: python -m pipeline ui\n")
