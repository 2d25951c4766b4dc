"""New raw rows and the blended final models -> predictions in the submission's columns."""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.core.errors import UserError
from pipeline.core.files import read_json, whole_file
from pipeline.core.paths import CompetitionPaths, ModelPaths
from pipeline.stages.project import load_project


def run(name: str, rows: Path, out: Path) -> None:
    from pipeline.core.seeds import fix_threads

    config = load_project()
    fix_threads(config.execution.threads)
    competition = config.competition(name)
    blend = read_json(CompetitionPaths(name).blend)

    from pipeline.answering.ensembles import Ensemble
    from pipeline.answering.final_models import Answering, FinalModel
    from pipeline.features.typed_rows import read_as_text
    from pipeline.sources.tables import read_table

    source = competition.source
    raw = read_table(rows, missing=source.missing, text=read_as_text(competition), encoding=source.encoding)
    if out.suffix != ".csv":
        raise UserError(f"--out: predictions are written as CSV, got {out.name!r}")
    ensemble = Ensemble.from_json(blend)
    models = {model: FinalModel.load(ModelPaths(name, model).final) for model in ensemble.models}
    submission = read_json(ModelPaths(name, next(iter(models))).final / "answer.json")["submission"]
    told: list[str] = []
    answer = Answering(models, ensemble, submission).answer(raw, rows.name, told.append)
    with whole_file(out) as aside:
        answer.to_csv(aside, index=False, lineterminator="\n")
    sys.stderr.writelines(f"warning: {line}\n" for line in told)
    sys.stdout.write(f"{out}: {len(answer)} rows predicted\n")
