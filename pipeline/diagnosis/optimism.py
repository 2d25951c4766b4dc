"""By how much a validation score is better than that of new rows, since something was chosen by it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from pipeline.diagnosis.evidence import Evidence, ModelEvidence

DRAWS = 1000
"""Bootstrap samples of folds."""


def optimism(evidence: Evidence) -> dict[str, Any]:
    """``early_stopping``, ``search``: by model, {"optimism", "interval"} in the metric's units, positive where the
    score is too good; ``blend``: {"optimism", "chosen": score on the rows that chose the weights}."""
    stopped = {name: one for name, model in evidence.models.items() if (one := _of_stopping(evidence, model))}
    searched = {name: one for name, model in evidence.models.items() if (one := _of_search(evidence, model))}
    return {"early_stopping": stopped, "search": searched, "blend": _of_blend(evidence)}


def chosen_by_folds(scores: np.ndarray) -> dict[str, Any] | None:
    """Of choosing the best of several candidates by the mean of their folds: the bootstrap bias corrected estimate
    (Tsamardinos et al. 2018), with folds drawn in place of rows: in each sample the best by the folds drawn is scored
    by those that were not.

    scores: [candidates, folds], higher is better. None of fewer than two candidates or folds.
    """
    import numpy as np

    candidates, folds = scores.shape
    if candidates < 2 or folds < 2:
        return None
    generator = np.random.default_rng(0)
    drawn = generator.integers(0, folds, (DRAWS, folds))  # [samples, folds]
    counts = np.stack([np.bincount(one, minlength=folds) for one in drawn])  # [samples, folds]
    counts = counts[(counts == 0).any(axis=1)]
    best = (counts @ scores.T).argmax(axis=1)  # [samples]
    inside = (counts * scores[best]).sum(axis=1) / folds
    left = counts == 0
    outside = (left * scores[best]).sum(axis=1) / left.sum(axis=1)
    low, high = np.quantile(inside - outside, [0.025, 0.975])
    return {"optimism": float((inside - outside).mean()), "interval": [float(low), float(high)]}


def _of_search(evidence: Evidence, model: ModelEvidence) -> dict[str, Any] | None:
    import numpy as np

    metric = model.config.tune.metric if model.config.tune is not None else None
    folds = len(model.valid)
    whole = [one["scores"] for one in model.trials if one["value"] is not None and len(one["scores"]) == folds]
    if metric is not None or len(whole) < 2:  # trials are then scored by another metric
        return None
    found = chosen_by_folds(evidence.sign * np.array(whole, dtype=float))
    return None if found is None else {**found, "trials": len(model.trials)}


def _of_stopping(evidence: Evidence, model: ModelEvidence) -> dict[str, Any] | None:
    """Each fold chose its own best epoch, by its score or by its loss: the score there against that of the epoch that
    the other folds' mean curve chooses."""
    import numpy as np

    if not model.config.fit.early_stopping:
        return None
    scores, losses = (
        [sign * np.array(fold.get(key, ()), dtype=float) for fold in model.curves]
        for key, sign in (("valid_score", evidence.sign), ("valid_loss", -1))
    )
    monitored = scores if model.config.fit.monitors_score else losses
    if len(scores) < 2 or min(map(len, scores)) < 2:
        return None
    shortest = min(map(len, scores))
    gains = []
    for k, (score, own) in enumerate(zip(scores, monitored, strict=True)):
        others = np.mean([curve[:shortest] for i, curve in enumerate(monitored) if i != k], axis=0)
        gains.append(float(score[int(own.argmax())] - score[int(others.argmax())]))
    return {"optimism": fmean(gains), "interval": _range(gains)}


def _range(values: Sequence[float]) -> list[float] | None:
    from pipeline.diagnosis.chance import interval

    bounds = interval(values)
    return None if bounds is None else list(bounds)


def _of_blend(evidence: Evidence) -> dict[str, Any] | None:
    """Scored on the rows that chose its weights, against folds that did not."""
    if len(evidence.models) < 2:
        return None
    from pipeline.answering.out_of_fold import fold_scores

    answered, metric = evidence.answered, evidence.competition.metric
    folds = fold_scores(metric.score, answered.target, answered.predictions, evidence.fold[answered.rows])
    chosen = fmean(folds)
    return {"optimism": evidence.sign * (chosen - evidence.blend["valid"]), "chosen": chosen}
