"""A competition's files and predictions -> its submission; a submission and a solution -> its score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.config import CompetitionConfig
from pipeline.core.errors import UserError
from pipeline.core.files import read_json, whole_file, write_json
from pipeline.core.paths import CompetitionPaths
from pipeline.core.types import Schema

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.answering.answer_files import Writing
    from pipeline.answering.ensembles import Ensemble


def write_submission(competition: CompetitionConfig, schema: Schema, predictions: pd.DataFrame, path: Path) -> None:
    """Lay predictions of the test rows out as the sample submission is, check them, write them."""
    from pipeline.answering.answer_files import write_answers
    from pipeline.answering.submissions import check_submission, make_submission

    ids, sample = test_ids(competition, schema), read_sample(competition)
    layout = submission_settings(competition, schema)
    submission = make_submission(predictions, ids, sample, **layout)
    check_submission(submission, sample, ids, **layout)
    with whole_file(path) as aside:
        write_answers(submission, aside, _writing(competition, schema))


def write_empty_submission(competition: CompetitionConfig, schema: Schema, path: Path) -> None:
    """The column names alone, of a competition without test rows."""
    from pipeline.answering.submission_layout import submission_layout

    layout = submission_layout(read_sample(competition), **submission_settings(competition, schema))
    with whole_file(path) as aside:
        aside.write_text(_writing(competition, schema).delimiter.join(layout["columns"]) + "\n", encoding="utf-8")


def check_sample(
    competition: CompetitionConfig, schema: Schema, test: pd.DataFrame, sample: pd.DataFrame | None
) -> list[str]:
    """Lay stand-ins for predictions of the typed test rows out as the sample submission is: whatever would not be
    accepted at the end is said before anything is trained. Raises UserError.

    Gives lines about what the submission will be that its user should know.
    """
    import pandas as pd

    from pipeline.answering.continuations import check_continuing
    from pipeline.answering.submission_layout import CONTINUATION, submission_layout
    from pipeline.answering.submissions import is_example, make_submission

    settings = submission_settings(competition, schema)
    check_continuing(competition.submission)
    names = schema.prediction_names
    predictions = pd.DataFrame(1 / len(names), index=range(len(test)), columns=names).assign(**{CONTINUATION: ""})
    ids = None if schema.id is None else test[schema.id]
    make_submission(predictions, ids, sample, **settings)
    layout = submission_layout(sample, **settings)
    told = []
    if layout["format"] == "probabilities" and len(layout["probabilities"]) == 1 < len(schema.classes):
        column, of = next(iter(layout["probabilities"].items()))
        told.append(f"submission: '{column}' is the probability of {of!r}; submission.of names another class")
    if sample is not None and ids is not None and is_example(sample[layout["id"]], ids):
        told.append(
            f"the sample submission names {len(sample)} of {len(ids)} test rows and is taken for an example; "
            "the submission holds all of them"
        )
    return told


def read_sample(competition: CompetitionConfig) -> pd.DataFrame | None:
    from pipeline.answering.answer_files import read_answers

    path = _sample_path(competition)
    sample = None if path is None else read_answers(path, competition.columns.id)
    if sample is not None and competition.submission.format == "continuations" and not _asks_for_text(sample):
        return None  # it is of another way to submit
    return sample


def _asks_for_text(sample: pd.DataFrame) -> bool:
    """Whether a column beside the first, the ids', holds words."""
    return bool(set(sample.select_dtypes("str")) - {sample.columns[0]})


def _sample_path(competition: CompetitionConfig) -> Path | None:
    from pipeline.sources.tables import find_table

    return find_table(CompetitionPaths(competition.name).raw, "sample_submission")


def _writing(competition: CompetitionConfig, schema: Schema) -> Writing:
    """The sample submission's writing is the submission's; the training file's decimal mark where a sample not
    separated by commas has none."""
    from pipeline.answering.answer_files import Writing, writing_of
    from pipeline.features.number_formats import DECIMAL_COMMAS

    path = _sample_path(competition)
    writing = Writing() if path is None else writing_of(path, competition.columns.id)
    numbers = [*schema.formats.values(), *(one.format for one in schema.columns if one.source == "numeric_text")]
    commas = any(form is not None and form.startswith(DECIMAL_COMMAS) for form in numbers)
    return replace(writing, decimal=",") if writing.open and commas else writing


def test_ids(competition: CompetitionConfig, schema: Schema) -> pd.Series | None:
    import pandas as pd

    if schema.id is None:
        return None
    return pd.read_parquet(CompetitionPaths(competition.name).test_rows, columns=[schema.id])[schema.id]


def submission_settings(competition: CompetitionConfig, schema: Schema) -> dict[str, Any]:
    """What the functions of ``training.submissions`` ask about a competition."""
    return {
        "id_column": schema.id,
        "target_column": schema.target,
        "submission_format": competition.submission.format,
        "classes": schema.target_classes or schema.classes,
        "of": competition.submission.of,
        "targets": schema.targets,
    }


def answer(
    competition: CompetitionConfig, schema: Schema, models: dict[str, str], ensemble: Ensemble
) -> dict[str, Any]:
    """What ``answer.json`` holds: it makes a folder of final models answer raw rows."""
    from pipeline.answering.continuations import Continuing
    from pipeline.answering.submission_layout import first_number, submission_layout

    sample = read_sample(competition)
    layout = submission_layout(sample, **submission_settings(competition, schema))
    if schema.id is None and sample is not None and layout["id"] is not None:
        layout["first"] = first_number(sample[layout["id"]])
    if (continuing := Continuing.of(competition.submission)) is not None:
        layout["continuing"] = continuing.to_json()
    return {"models": models, **ensemble.to_json(), "submission": layout}


def solution_score(competition: CompetitionConfig, submission: Path, solution: Path | None = None) -> float | None:
    """The metric of a submission file; None where no solution is known."""
    from pipeline.answering.submissions import score_submission
    from pipeline.sources.tables import find_table

    paths = CompetitionPaths(competition.name)
    if solution is None and competition.submission.format == "continuations":
        return None
    if competition.task.name in competition.metric.asks_model:
        if solution is None:
            return None
        raise UserError(
            f"metric {competition.metric.name}: asks a model how probable the reference is, which a submission does "
            "not tell; take another metric"
        )
    solution = solution or find_table(paths.raw, "solution")
    if solution is None:
        return None
    schema = Schema.from_json(read_json(paths.schema))
    return score_submission(
        submission,
        solution,
        metric=competition.metric,
        **submission_settings(competition, schema),
    )


def write_own_answer(
    competition: CompetitionConfig,
    schema: Schema,
    model: str,
    predictions: pd.DataFrame | None,
    decision: Any,
    folder: Path,
) -> None:
    """A lone model's ``submission.csv`` and ``answer.json``.

    predictions: of the test rows, None where there are none; then there is no submission.
    decision: its state in ``blend.json``, None where it takes none.
    folder: of the final model.
    """
    from pipeline.answering.ensembles import Ensemble

    ensemble = Ensemble.from_json({"weights": {model: 1.0}, "decision": decision})
    if predictions is not None:
        decided = predictions if ensemble.decision is None else ensemble.decision.apply(predictions)
        write_submission(competition, schema, decided, folder / "submission.csv")
    write_json(folder / "answer.json", answer(competition, schema, {model: "."}, ensemble))
