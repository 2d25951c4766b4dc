"""What the report shows of each model, and of the blend's answers: names and data of figures, and words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.core.config import CompetitionConfig
from pipeline.core.files import read_json
from pipeline.core.paths import EXPLANATION, LOOK
from pipeline.images.rows import read_rows
from pipeline.reporting.leaderboard import metric_label
from pipeline.stages.summaries import beside

if TYPE_CHECKING:
    from pipeline.diagnosis.evidence import Evidence, ModelEvidence

Figure = tuple[str, Mapping[str, Any]]
PARTIAL, TEXTS = 4, 6
"""Columns of partial dependence, texts with their words."""


def model_entry(evidence: Evidence, model: ModelEvidence, diagnostic: Callable[..., Any]) -> dict[str, Any]:
    """As ``reporting.page.build_page`` takes it. diagnostic: of a target and predictions."""
    target, look = evidence.target.iloc[model.rows].reset_index(drop=True), model.paths.tuned / LOOK
    explanation, images = explained(model), _images_read(evidence, model)
    figures, words = explaining_figures(evidence, model, explanation, images)
    return {
        "model": model.name,
        "settings": read_json(model.paths.tuned / "settings.json"),
        "curves": {"folds": model.curves} if any(model.curves) else None,
        "gradients": model.traces[0] if model.traces else None,
        "diagnostic": diagnostic(target, model.predictions),
        "importance": read_json(model.paths.tuned / "importance.json"),
        "search": searched(model.trials, evidence.competition) if len(model.trials) > 1 else None,
        "look": read_json(look) if look.exists() else None,
        "interval": evidence.competition.metric.interval(target, model.predictions),
        "images": _of_images(model, target, images, len(evidence.models) > 1),
        "explained": figures,
        "words": words,
        "sample": explanation.get("sample"),
        "unexplained": explanation.get("failed"),
    }


def searched(trials: list[dict[str, Any]], competition: CompetitionConfig) -> dict[str, Any]:
    """The figure ``search``: a score a trial, the best so far, and what each setting was."""
    done = [one for one in trials if one["value"] is not None]
    return {
        "trials": [{"number": one["number"], "value": one["value"], "settings": one["overrides"]} for one in done],
        "higher_is_better": competition.metric.higher_is_better,
        "metric": metric_label(competition),
    }


def explained(model: ModelEvidence) -> dict[str, Any]:
    """What its folds' models look at; empty where that was not asked."""
    file = model.paths.tuned / EXPLANATION
    found: dict[str, Any] = read_json(file) if file.exists() else {}
    return found


def important(model: ModelEvidence) -> list[str]:
    """Raw columns by what shuffling them costs the model, the dearest first."""
    falls = explained(model).get("permutation", {})
    return sorted(falls, key=lambda raw: (-fmean(falls[raw]), raw))


def explaining_figures(
    evidence: Evidence, model: ModelEvidence, explanation: Mapping[str, Any], images: Any
) -> tuple[list[Figure], list[dict[str, Any]]]:
    """Figures of what it looks at; and texts that it is wrong about, with what each word does."""
    from pipeline.diagnosis.chance import interval
    from pipeline.reporting.pictures import looked_at
    from pipeline.tasks.diagnostics import mistakes

    found: list[Figure] = []
    label, ranked = metric_label(evidence.competition), important(model)
    if ranked:
        columns = {
            raw: {"mean": fmean(falls), "interval": None if (bounds := interval(falls)) is None else list(bounds)}
            for raw, falls in explanation["permutation"].items()
        }
        found.append(("permutation", {"columns": columns, "metric": label}))
    unit = f"predicted {evidence.schema.target}" if evidence.kind == "number" else "mean probability"
    partial = {raw: explanation["partial"][raw] for raw in ranked if raw in explanation.get("partial", {})}
    if partial:
        if evidence.kind == "class" and len(evidence.schema.classes) == 2:
            unit = f"probability of {evidence.schema.classes[1]}"
        found.append(("partial", {"columns": dict(list(partial.items())[:PARTIAL]), "unit": unit}))
    if "contributions" in explanation:
        scale = "the log-odds" if evidence.kind == "class" else f"{evidence.schema.target}, as it is trained on"
        found.append(("contributions", {"points": explanation["contributions"]["points"], "unit": scale}))
    if images is not None:
        target = evidence.target.iloc[model.rows].reset_index(drop=True)
        wrong = {int(model.rows[place]): told for place, told in mistakes(target, model.predictions)}
        found += looked_at(images, explanation, wrong)
    return found, explanation.get("words", [])[:TEXTS]


def _images_read(evidence: Evidence, model: ModelEvidence) -> Any:
    """The training rows' images, where the model reads some."""
    from pipeline.images.column import images_of
    from pipeline.reporting.pictures import image_read

    column = image_read(evidence.competition, evidence.schema, model.config)
    if column is None or evidence.schema.targets:
        return None
    return images_of(read_rows(evidence.paths.train_rows, evidence.schema)[column]).stored


def _of_images(model: ModelEvidence, target: Any, images: Any, several: bool) -> list[Figure]:
    """Pictures of a model that reads images: what it is most wrong about, where it is one of several, and its first
    layer's filters."""
    from pipeline.reporting.pictures import final_filters, mistakes_data
    from pipeline.tasks.diagnostics import mistakes

    if images is None:
        return []
    found: list[Figure] = []
    if several and (wrong := mistakes(target, model.predictions)):
        found.append(("mistakes", mistakes_data(images.take(model.rows), wrong)))
    if (filters := final_filters(model.paths.final)) is not None:
        found.append(("filters", filters))
    return found


def perplexities(evidence: Evidence) -> list[str]:
    """A line on how probable the models have the references, where that is told besides the score."""
    found = {
        name.removeprefix(f"{evidence.competition.name}-"): value
        for name, model in evidence.models.items()
        for value in beside(evidence.competition, evidence.target.iloc[model.rows], model.predictions).values()
    }
    if not found:
        return []
    told = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
    line = f"Perplexity of the references, of each token that a model writes: {told}; they compare where tokens are the"
    none = "" if evidence.competition.blend.tells_target else " A consensus, which chooses among texts, has none."
    return [f"{line} same.{none}"]


def answer_figures(evidence: Evidence) -> list[Figure]:
    """Of the blend's answers as a whole; of images those that it is most wrong about."""
    from pipeline.diagnosis.shapes import calibration, distribution
    from pipeline.reporting.pictures import mistakes_data
    from pipeline.tasks.diagnostics import mistakes

    found = [("distribution", distribution(evidence)), ("calibration", calibration(evidence))]
    shown: list[Figure] = [(name, data) for name, data in found if data is not None]
    if (images := _images_read(evidence, evidence.ranked[0])) is not None:
        answered = evidence.answered
        if wrong := mistakes(answered.target, answered.predictions):
            shown.append(("mistakes", mistakes_data(images.take(answered.rows), wrong)))
    return shown
