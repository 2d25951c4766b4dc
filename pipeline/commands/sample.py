"""A guessed competition against its sample submission: what cannot be submitted is not added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.commands.guess import Guess
from pipeline.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


def check_sample(
    found: Guess,
    train: pd.DataFrame,
    test: pd.DataFrame,
    sample: pd.DataFrame,
    missing: Sequence[str],
    metric: str | None,
) -> None:
    """Lay out predictions of the test rows as the sample is, as ``retrain`` and ``submit`` will.

    metric: as given, None where it was guessed.
    Raises UserError where columns, classes or ids do not fit, and for a metric of probabilities
    where the sample holds classes.
    """
    import pandas as pd

    from pipeline.answering.submissions import make_submission
    from pipeline.features.schema import settle

    id, target = found.columns["id"], found.columns["target"]
    classes: tuple[Any, ...] = ()
    if found.task["name"] == "classification":
        classes = settle(train[[target]], None, id=None, target=target, task_is_class=True, missing=missing).classes
    names = [str(level) for level in classes] or ["prediction"]
    predictions = pd.DataFrame(1 / len(names), index=range(len(test)), columns=names)
    try:
        make_submission(
            predictions,
            None if id is None else test[id],
            sample,
            id_column=id,
            target_column=target,
            submission_format=found.submission,
            classes=classes,
        )
        if metric is not None and found.submission == "probabilities":
            _refuse_classes(sample.drop(columns=id or []))
    except UserError as error:
        if metric is None or found.submission != "probabilities":
            raise
        raise UserError(
            f"--metric: '{metric}' is of probabilities, and the sample submission takes none: {error}; "
            "choose a metric of classes, such as accuracy"
        ) from None


def _refuse_classes(answers: pd.DataFrame) -> None:
    import pandas as pd

    last = answers.iloc[:, -1]
    if not pd.api.types.is_numeric_dtype(last):
        raise UserError(f"its column '{last.name}' holds classes, such as {last.iloc[0]!r}")
