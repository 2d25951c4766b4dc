"""Black-box shift estimation (Lipton, Wang and Smola 2018; Dive into Deep Learning 4.7.4): the classes' shares among
test rows, from what a model answers for them and the mistakes that it made out of fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from pipeline.diagnosis.evidence import Evidence

DRAWS = 400
"""Bootstrap samples."""
STABLE = 100.0
"""Condition of the confusion matrix up to which it is solved."""


def label_shift(evidence: Evidence) -> dict[str, Any] | None:
    """Of the model with most weight that answers test rows: ``p`` (chi-square of its answers, out of fold and for
    test rows: they are distributed alike where the labels are), ``classes``: by class its share in train, the
    estimate for test, and its interval. None of other targets, and where the confusion matrix cannot be solved."""
    import numpy as np
    from scipy.stats import chi2_contingency

    if evidence.kind != "class" or len(evidence.schema.classes) < 2:
        return None
    weights = evidence.blend["weights"]
    able = [model for model in evidence.ranked if model.test is not None and weights.get(model.name)]
    if not able:
        return None
    model = max(able, key=lambda one: weights[one.name])
    classes = [str(level) for level in evidence.schema.classes]
    if model.test is None or list(model.test) != classes:
        return None
    truth = evidence.target.iloc[model.rows].astype(str).map({level: i for i, level in enumerate(classes)}).to_numpy()
    told, asked = (frame.to_numpy().argmax(axis=1) for frame in (model.predictions, model.test))
    joint = np.zeros((len(classes), len(classes)))
    np.add.at(joint, (told, truth), 1)  # [answer, class]
    answers = np.bincount(asked, minlength=len(classes)).astype(float)
    table = np.stack([joint.sum(axis=1), answers])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or np.linalg.cond(joint / len(truth)) > STABLE * len(classes):
        return None
    shares = estimated(joint, answers)
    generator = np.random.default_rng(0)
    draws = [
        estimated(
            generator.multinomial(len(truth), joint.ravel() / len(truth)).reshape(joint.shape).astype(float),
            generator.multinomial(len(asked), answers / len(asked)).astype(float),
        )
        for _ in range(DRAWS)
    ]
    low, high = np.nanquantile(draws, [0.025, 0.975], axis=0)
    before = joint.sum(axis=0) / len(truth)
    return {
        "model": model.name,
        "p": float(chi2_contingency(table, correction=False).pvalue),
        "classes": {
            level: {"train": float(before[i]), "test": float(shares[i]), "interval": [float(low[i]), float(high[i])]}
            for i, level in enumerate(classes)
        },
    }


def estimated(joint: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Shares [classes] of the test rows' true classes. joint: counts [answer, class] out of fold. answers: counts
    [classes] of answers for test rows."""
    import numpy as np

    given = joint / np.maximum(joint.sum(axis=0), 1)  # [answer, class]: how each class is answered
    try:
        shares = np.linalg.solve(given, answers / answers.sum())
    except np.linalg.LinAlgError:
        return np.full(len(answers), np.nan)
    shares = np.maximum(shares, 0)
    return shares / shares.sum() if shares.sum() else np.full(len(answers), np.nan)
