"""Black-box shift estimation (Lipton, Wang and Smola 2018; Dive into Deep Learning 4.7.4): the classes' shares among
test rows, from what a model answers for them and the mistakes that it made out of fold."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.core.weighting.shares import STABLE, estimated

if TYPE_CHECKING:
    import numpy as np

    from pipeline.diagnosis.evidence import Evidence, ModelEvidence

DRAWS = 400
"""Bootstrap samples."""
PARTS = 5
"""Equal parts of a number's training rows, which then are its classes."""


def label_shift(evidence: Evidence) -> dict[str, Any] | None:
    """Of the model with most weight that answers test rows: ``p`` (chi-square of its answers, out of fold and for
    test rows: they are distributed alike where the labels are), ``classes``: by class its share in train, the
    estimate for test, and its interval. A number is a class by which fifth of the training rows it falls into. None of
    other targets, and where the confusion matrix cannot be solved."""
    import numpy as np
    from scipy.stats import chi2_contingency

    weights = evidence.blend["weights"]
    able = [model for model in evidence.ranked if model.test is not None and weights.get(model.name)]
    if not able:
        return None
    model = max(able, key=lambda one: weights[one.name])
    found = _answers(evidence, model) if evidence.kind == "class" else _parts(evidence, model)
    if found is None:
        return None
    classes, truth, told, asked = found
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


Answers: TypeAlias = "tuple[list[str], np.ndarray, np.ndarray, np.ndarray]"
"""Classes; of each validated row the true one and the answer; of each test row the answer; int [rows] each."""


def _answers(evidence: Evidence, model: ModelEvidence) -> Answers | None:
    classes = [str(level) for level in evidence.schema.classes]
    if len(classes) < 2 or model.test is None or list(model.test) != classes:
        return None
    truth = evidence.target.iloc[model.rows].astype(str).map({level: i for i, level in enumerate(classes)}).to_numpy()
    told, asked = (frame.to_numpy().argmax(axis=1) for frame in (model.predictions, model.test))
    return classes, truth, told, asked


def _parts(evidence: Evidence, model: ModelEvidence) -> Answers | None:
    """Answers are cut into fifths of their own, since they lie closer together than the truth."""
    import numpy as np

    if evidence.kind != "number" or model.test is None:
        return None
    truth = evidence.target.iloc[model.rows].to_numpy(dtype=float)
    told, asked = (frame["prediction"].to_numpy(dtype=float) for frame in (model.predictions, model.test))
    cuts = [np.unique(np.quantile(values, np.linspace(0, 1, PARTS + 1)[1:-1])) for values in (truth, told)]
    if any(len(one) < PARTS - 1 for one in cuts):
        return None
    shown = [f"{cut:,.6g}" for cut in cuts[0]]
    between = [f"{low} to {high}" for low, high in pairwise(shown)]
    classes = [f"up to {shown[0]}", *between, f"above {shown[-1]}"]
    return classes, np.searchsorted(cuts[0], truth), np.searchsorted(cuts[1], told), np.searchsorted(cuts[1], asked)


def unknown_classes(evidence: Evidence) -> dict[str, float]:
    """Classes of the solution that the target has not in the training file, with their share of its rows; none where no
    solution is known, or where it writes all classes otherwise."""
    from pipeline.answering.answer_files import read_answers
    from pipeline.sources.tables import find_table

    solution = find_table(evidence.paths.raw, "solution") if evidence.kind == "class" else None
    if solution is None:
        return {}
    rows = read_answers(solution, evidence.schema.id)
    if evidence.schema.target not in rows:
        return {}
    truth = rows[evidence.schema.target].map(str)
    known = truth.map(_plain).isin({_plain(str(level)) for level in evidence.schema.classes})
    shares = truth[~known].value_counts() / len(truth)
    return {str(level): float(share) for level, share in sorted(shares.items())} if known.any() else {}


def _plain(level: str) -> str:
    """One way to write 1, 1.0, TRUE and `` true``."""
    text = level.strip().casefold()
    try:
        return str(float({"true": "1", "false": "0"}.get(text, text)))
    except ValueError:
        return text
