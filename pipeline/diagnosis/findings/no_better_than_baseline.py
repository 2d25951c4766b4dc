"""POD103: a model that answers no better than what learns nothing."""

from __future__ import annotations

from statistics import fmean
from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found, Severity
from pipeline.diagnosis.chance import interval
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings

UNLIKE = (
    "The source itself scores better: more pairs or epochs, pieces of words in place of words (tokenizer "
    "sentencepiece), by which names and numbers are copied, or a pretrained_translator."
)


@findings.register("POD103")
@settings
class NoBetterThanBaseline(Finding):
    """Folds' gains over the best constant answer, of texts also over the source as it is, by the competition's metric:
    told where they are not above 0 on average, or where they may be by chance and some fold has none. A warning where
    constant answers score worse than the source and the models."""

    title: ClassVar[str] = "no better than a baseline"
    why: ClassVar[str] = (
        "A model that scores like an answer for which nothing was learned is worth nothing beside it: its input does "
        "not reach it, its training did not move, or there is too little to learn, or to learn it from."
    )
    next: ClassVar[str] = (
        "Look at its training curve first: a loss that stays where it began asks for another learning rate, more "
        "epochs, or inputs on one scale; then at whether its feature set holds what the target hangs on."
    )
    severity: ClassVar[Severity] = "serious"

    def look(self, evidence: Evidence) -> Found | None:
        constant = evidence.baseline
        if constant is None:
            return None
        gains = {}
        for model in evidence.models.values():
            if "weighted" in model.scores:
                continue  # it is fitted for the test rows, of which the plain score does not speak
            pairs = zip(model.valid, constant["folds"], strict=True)
            of_folds = [evidence.sign * (own - other) for own, other in pairs]
            bounds = interval(of_folds)
            # Of few folds an interval is wide: one of them must show no gain besides.
            if fmean(of_folds) <= 0 or (bounds is not None and bounds[0] <= 0 and min(of_folds) <= 0):
                gains[model.name] = of_folds
        if not gains:
            return None
        told = "; ".join(f"{name} scores {evidence.models[name].scores['valid']:.5f}" for name in gains)
        first = next(iter(gains))
        bare = constant.get("constant")
        learned = bare is not None and all(
            evidence.sign * (evidence.models[name].scores["valid"] - bare["valid"]) > 0 for name in gains
        )
        return Found(
            measured=f"{told}; the baseline, {constant['what']}, scores {constant['valid']:.5f}.",
            numbers={name: fmean(of_folds) for name, of_folds in gains.items()},
            interval=interval(gains[first]),
            about=tuple(gains),
            severity="warning" if learned else None,
            next=UNLIKE if learned else "",
        )
