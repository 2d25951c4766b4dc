"""Stored files of a competition -> all findings about it, and the numbers that they rest on."""

from __future__ import annotations

from math import inf
from typing import Any

from pipeline.diagnosis.base import RATE, SEVERITIES, Finding, told
from pipeline.diagnosis.chance import interval
from pipeline.diagnosis.comparison import compared
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.fitting import fits
from pipeline.diagnosis.gradients import watched
from pipeline.diagnosis.optimism import optimism


def diagnose(evidence: Evidence) -> dict[str, Any]:
    """Plain data.

    findings: the serious first, each as ``base.told`` gives it. muted: codes that were not asked. failed: code to
    the reason that it could not be asked. interval: of the blend's score, over folds. baseline, fit, comparison,
    optimism, shift, training: the numbers behind them, which the report shows whether or not anything is the matter.
    """
    muted, name = evidence.competition.mute, evidence.competition.name
    asked: list[Finding] = [findings.build(code, "findings") for code in findings if code not in muted]
    models = [model.name for model in evidence.config.models_of(name)]
    shorter = {model: model.removeprefix(f"{name}-") or model for model in models}
    evidence.level = RATE / max(sum(finding.by_chance for finding in asked), 1)
    found, failed = [], {}
    for finding in asked:
        try:
            one = finding.look(evidence)
        except Exception as fault:  # a report without one finding is worth more than none
            failed[finding.name] = f"{type(fault).__name__}: {fault}"
            continue
        if one is not None:
            found.append(told(finding, one, shorter))
    found.sort(key=lambda one: (SEVERITIES.index(one["severity"]), one["code"]))
    return {
        "findings": found,
        "muted": list(muted),
        "failed": failed,
        "asked": len(asked),
        "baseline": evidence.baseline,
        "interval": blend_interval(evidence),
        "fit": fits(evidence),
        "comparison": compared(evidence),
        "optimism": optimism(evidence),
        "shift": evidence.shift,
        "training": watched(evidence),
    }


def blend_interval(evidence: Evidence) -> list[float] | None:
    """Never beyond the scores that there are, which few folds near an end of them would promise."""
    bounds, metric = interval(evidence.blend["folds"]), evidence.competition.metric
    if bounds is None:
        return None
    ends = (metric.worst, metric.perfect) if metric.higher_is_better else (metric.perfect, metric.worst)
    least, most = (fallback if end is None else end for end, fallback in zip(ends, (-inf, inf), strict=True))
    return [max(bounds[0], least), min(bounds[1], most)]
