"""New raw rows and the blended final models -> predictions in the submission's columns."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.config import CompetitionConfig
from pipeline.core.errors import UserError
from pipeline.core.files import read_json, shown, whole_file
from pipeline.core.paths import CompetitionPaths, ModelPaths
from pipeline.core.schema import PROBABLE
from pipeline.stages.project import load_project

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.core.types import Schema


def run(name: str, rows: Path, out: Path, probabilities: bool = False) -> None:
    """rows: a table, whose image files lie beside it or where its names say; arrays; or a folder of images.
    probabilities: write those of all classes, as the blend has them before it decides, in place of the submission's
    columns."""
    from pipeline.core.seeds import fix_threads

    config = load_project()
    fix_threads(config.execution.threads)
    competition = config.competition(name)
    if probabilities and competition.task.target_kind not in PROBABLE:
        raise UserError(f"--probabilities: is for tasks with classes; the task of '{name}' is {competition.task.name}")
    if not rows.exists():
        raise UserError(f"--in: {shown(rows)}: no such file or folder")
    if out.suffix != ".csv":
        raise UserError(f"--out: predictions are written as CSV, got {out.name!r}")
    if out.is_dir():
        raise UserError(f"--out: {shown(out)} is a folder; name a file")
    if out.exists() and out.samefile(rows):
        raise UserError(f"--out: {shown(out)} holds the rows that --in names, and would be lost; name another file")
    blend = read_json(CompetitionPaths(name).blend)

    from pipeline.answering.answer_files import write_csv
    from pipeline.answering.ensembles import Ensemble
    from pipeline.answering.final_models import Answering, FinalModel

    ensemble = Ensemble.from_json(blend)
    models = {model: FinalModel.load(ModelPaths(name, model).final) for model in ensemble.models}
    submission = read_json(ModelPaths(name, next(iter(models))).final / "answer.json")["submission"]
    schema = next(iter(models.values())).members[0].schema
    told: list[str] = []
    with tempfile.TemporaryDirectory() as aside:
        raw = _read(competition, schema, rows, Path(aside), told.append)
        folder = rows if rows.is_dir() else rows.parent
        answering = Answering(models, ensemble, submission)
        asked = answering.probabilities if probabilities else answering.answer
        answer = asked(raw, rows.name, told.append, folder)
    with whole_file(out) as aside_file:
        write_csv(answer, aside_file)
    sys.stderr.writelines(f"warning: {line}\n" for line in told)
    sys.stdout.write(f"{out}: {len(answer)} rows predicted\n")


def _read(
    competition: CompetitionConfig, schema: Schema, rows: Path, aside: Path, warn: Callable[[str], None]
) -> pd.DataFrame:
    """The raw rows; of arrays and folders of images named by their number or file. aside: for arrays of images."""
    from pipeline.features.typed_rows import read_as_text
    from pipeline.sources.arrays import read_arrays
    from pipeline.sources.tables import read_table
    from pipeline.sources.text_tables import doubt_of

    source = competition.source
    if rows.suffix.lower() == ".npz":
        raw = read_arrays({"": rows}, "test", aside, alone=True)
        return _named(raw, schema, list(range(1, 1 + len(raw))))
    if rows.is_dir():
        from pipeline.images.places import Place, refuse_unreachable

        columns = [str(how["files"]) for how in schema.images.values() if "files" in how]
        if len(columns) != 1:
            raise UserError(
                f"--in: {shown(rows)} is a folder, and {competition.name} reads no files of images from one"
            )
        files = Place(rows).files()
        if not files:
            raise UserError(f"--in: {shown(rows)} holds no images, such as .png and .jpg")
        refuse_unreachable(rows, files, f"--in: {shown(rows)}")
        import pandas as pd

        raw = pd.DataFrame({columns[0]: pd.Series(files, dtype="str")})
        return _named(raw, schema, files)
    text = [*read_as_text(competition), *schema.as_text]
    raw = read_table(rows, missing=source.missing, text=text, encoding=source.encoding)
    if doubt := doubt_of(rows, source.encoding):
        warn(doubt)
    return raw


def _named(raw: pd.DataFrame, schema: Schema, names: list[int] | list[str]) -> pd.DataFrame:
    """With an id, where there is none."""
    return raw if schema.id is None or schema.id in raw else raw.assign(**{schema.id: names})
