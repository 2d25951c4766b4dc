"""Everything a competition has -> ``report/``: ``index.html``, self-contained, ``report.md`` and ``report.json``."""

from __future__ import annotations

import os
import sys
from typing import Any

from pipeline.answering.left_out import kept_models, left_out
from pipeline.core.config import CompetitionConfig, Config
from pipeline.core.files import read_json, whole_folder, write_json
from pipeline.core.paths import CompetitionPaths, ModelPaths, project_root
from pipeline.core.shares import percent, span
from pipeline.reporting.columns import columns_read
from pipeline.reporting.findings import finding_lines
from pipeline.reporting.leaderboard import (
    calibrated,
    leaderboard_rows,
    metric_label,
    table_lines,
    untested,
    weighted_by,
)
from pipeline.reporting.markdown import markdown
from pipeline.reporting.page import build_page, drawn
from pipeline.stages.costs import model_cost
from pipeline.stages.report_models import answer_figures, important, model_entry, perplexities
from pipeline.stages.summaries import blend_summary

PAGE = ("models", "answers", "shapes", "costs")
"""Of the payload what only the page shows; ``report.json`` does without. No two runs share the costs of a clock."""
ALONE: dict[str, Any] = {"worst": [], "best": []}
"""Sentences stand on the page in words, and not in a picture."""


def run(config: Config, name: str) -> None:
    paths = CompetitionPaths(name)
    page = payload(config, name)
    with whole_folder(paths.report) as folder:
        write_json(folder / "report.json", {key: value for key, value in page.items() if key not in PAGE})
        (folder / "report.md").write_text(markdown(page), encoding="utf-8")
        (folder / "index.html").write_text(build_page(page), encoding="utf-8")
    seconds = {model: cost["seconds"] for model, cost in page["costs"].items()}
    for line in [*table_lines(page["leaderboard"], page["baseline"], seconds), *finding_lines(page["findings"])]:
        print(f"  {line}", file=sys.stderr)  # noqa: T201
    _record(config.competition(name), page)
    _tell(config, name, page["blend"]["valid"])


def payload(config: Config, name: str) -> dict[str, Any]:
    """What page, text and JSON are made of, as ``reporting.page.build_page`` takes it."""
    from pipeline.diagnosis.curves import stored_curves
    from pipeline.diagnosis.diagnose import diagnose
    from pipeline.diagnosis.evidence import Evidence
    from pipeline.diagnosis.order import logarithmic
    from pipeline.diagnosis.slices import slices
    from pipeline.diagnosis.worst import worst

    competition, paths = config.competition(name), CompetitionPaths(name)
    evidence = Evidence(config, name)
    curves, of_others = stored_curves(competition, config.models_of(name), evidence.facts["digests"])
    schema, facts, blend = evidence.schema, evidence.facts, evidence.blend
    scale = {"scale": "log"} if logarithmic(evidence) else {}

    def diagnostic(target: Any, predictions: Any) -> dict[str, Any] | None:
        found = competition.task.diagnostic(target, predictions)
        if found is None:
            return None
        more = scale if found[0] == "residuals" else ALONE if found[0] == "translations" else {}
        return {"name": found[0], "data": {**found[1], **more}}

    pictures = {key: [one["figure"] for one in some if one["figure"]] for key, some in curves.items()}
    models = [
        {**model_entry(evidence, model, diagnostic), "over": pictures.get(model.name, [])}
        for model in evidence.models.values()
    ]
    rows = leaderboard_rows(config, competition)
    sets = sorted({row["features"] for row in rows if row["features"]})
    encoders = {key: competition.features[key].restore(read_json(paths.encoder(key, None)), schema) for key in sets}
    answers, best = evidence.answered, evidence.ranked[0]
    return {
        "competition": name,
        "task": competition.task.name,
        "metric": metric_label(competition),
        "higher_is_better": competition.metric.higher_is_better,
        "rows": {"train": facts["train_rows"], "test": facts["test_rows"], "folds": facts["folds"]},
        "submission": paths.submission.relative_to(project_root()).as_posix() if facts["test_rows"] else None,
        **diagnose(evidence),
        "leaderboard": rows,
        "curves": {key: [_without_figure(one) for one in some] for key, some in curves.items()},
        "models": models,
        "answers": diagnostic(answers.target, answers.predictions),
        "shapes": answer_figures(evidence),
        "slices": slices(evidence),
        "worst": worst(evidence, important(best)),
        "best": best.name,
        "costs": {model.name: model_cost(model.paths, model.parameters) for model in evidence.models.values()},
        "blend": blend,
        **columns_read(schema, encoders),
        "cleaning": facts["cleaning"],
        "calibrated": calibrated(blend),
        "notes": [
            *notes(config, competition, facts),
            *_weighted(blend, name),
            *(f"{why[0].upper()}{why[1:]}." for why in untested(rows)),
            *perplexities(evidence),
            *of_others,
        ],
    }


def _weighted(blend: dict[str, Any], name: str) -> list[str]:
    told = weighted_by(blend)
    return [] if told is None else [f"{told[0].upper()}{told[1:]}.".replace(f"{name}-", "")]


def _without_figure(curve: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in curve.items() if key not in ("figure", "made_of")}


def _tell(config: Config, name: str, score: float) -> None:
    """The run's last line: how good it is, and where what it made lies."""
    if os.environ.get("PODIUM_PROGRESS") == "off":
        return
    paths = CompetitionPaths(name)
    made = {"report": paths.report / "index.html"}
    if paths.test_rows.exists():
        made = {"submission": paths.submission, **made}
    places = "; ".join(f"{what}: {place.relative_to(project_root())}" for what, place in made.items())
    print(  # noqa: T201
        f"{name}: {config.competition(name).metric.name} {score:.5f} of the blend, see `python -m pipeline "
        f"leaderboard {name}`; {places}",
        file=sys.stderr,
    )


LEFT_OUT = {
    "empty": "a side of them empty",
    "long": "longer than maximum_length",
    "unlike": "their lengths further apart than ratio",
}


def notes(config: Config, competition: CompetitionConfig, facts: dict[str, Any]) -> list[str]:
    """What a reader must know to trust the numbers no further than they carry, besides findings."""
    found = [f"{line}." for line in facts["told"]]
    of_tokens = (_of_tokens(key, told, facts["statistics"][key]) for key, told in facts["encoded"].items())
    found += filter(None, of_tokens)
    for model in config.models_of(competition.name):
        if (why := left_out(ModelPaths(competition.name, model.name).cv)) is not None:
            found.append(f"{model.name} was left out: {why}.")
    if (signature := competition.metric.signature()) is not None:
        found.append(f"{metric_label(competition)} by {signature}.")
    if facts["folds"] == 1:
        found.append(
            "One fold validated everything: what was chosen by it (models, settings, weights) looks a little better "
            "here than it is, and how far scores may lie off is not known."
        )
    if not competition.split.refit:
        found.append("Nothing trained on the rows that validate, the models of the submission neither.")
    models = kept_models(config, competition.name)
    if stopped := [model.name for model in models if model.fit.early_stopping]:
        found.append(
            f"{', '.join(stopped)}: the number of epochs or iterations was chosen on the folds reported here, "
            "so their validation scores are a little better than those of new rows."
        )
    tuned = {model.name: ModelPaths(competition.name, model.name).tuned / "trials.json" for model in models}
    if searched := [name for name, file in tuned.items() if file.exists() and read_json(file)["count"] > 1]:
        found.append(
            f"{', '.join(searched)}: the best of several trials on the folds reported here; "
            "expect new rows to score a little worse."
        )
    return [line.replace(f"{competition.name}-", "") for line in found]


def _of_tokens(key: str, told: dict[str, dict[str, float]], learned: str) -> str:
    """A line on tokens that a vocabulary does not know, and on texts that are cut. learned: which rows it is of."""
    from pipeline.diagnosis.findings.wide_statistics import ROWS

    parts = []
    if shares := [one["unknown"] for part, one in told.items() if part != "test" and "unknown" in one]:
        unknown = f"{span(sorted(shares), percent)} of a fold's validation tokens are unknown"
        test = told.get("test")
        unknown += f", of the test rows' {percent(test['unknown'])}" if test else ""
        parts.append(f"{unknown}, by a vocabulary of {ROWS.get(learned, 'the rows that a fold trains on')}")
    if cut := int(sum(one.get("cut", 0) for one in told.values())):
        parts.append(f"{cut} texts are longer than it reads, and cut")
    for name, why in LEFT_OUT.items():
        if most := int(max((one.get(f"left_out_{name}", 0) for one in told.values()), default=0)):
            parts.append(f"{most} training pairs are left out, {why}")
    return f"Feature set '{key}': {'; '.join(parts)}." if parts else ""


def _record(competition: CompetitionConfig, page: dict[str, Any]) -> None:
    """The report as an artifact of the blend's summary run, with numbers of findings, baseline, gaps and shift."""
    from pipeline.tracking import outbox

    paths = CompetitionPaths(competition.name)
    digest = read_json(paths.rows / "facts.json")["digest"]
    summary = blend_summary(competition)
    with outbox.run(
        competition=competition.name, stage="report", model="blend", tags={"data.digest": digest}, summary=summary
    ) as record:
        told = [one["severity"] for one in page["findings"]]
        counts = {f"findings.{severity}": told.count(severity) for severity in ("serious", "warning", "note")}
        record.metrics({**counts, **{f"{model}.gap": one["gap"] for model, one in page["fit"].items()}})
        tested = next((row["test"] for row in page["leaderboard"] if row["model"] == "blend"), None)
        record.summary.metrics(
            {
                **counts,
                "baseline": page["baseline"] and page["baseline"]["valid"],
                "adversarial_auc": page["shift"] and page["shift"]["auc"],
                f"test_{page['metric']}": tested,
            }
        )
        answers = page["answers"] and (page["answers"]["name"], page["answers"]["data"])
        for name, data in (*([answers] if answers else []), *page["shapes"], *drawn(page)):
            record.summary.figure(name, data)
        record.summary.artifact(paths.report)
