"""Final models in MLflow: a real ridge predictor, logged, registered, loaded elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import tracking
from pipeline.tracking.sender import deliver_waiting


def raw_rows(count: int, seed: int) -> pd.DataFrame:
    """Texts, as raw files are read."""
    generator = np.random.default_rng(seed)
    area = generator.integers(50, 200, count)
    street = generator.choice(["Pave", "Gravel"], count)
    price = area * 1000.0 + (street == "Pave") * 5000 + generator.normal(0, 10, count)
    rows = pd.DataFrame({"Id": range(1, count + 1), "Area": area, "Street": street, "Price": price.round(2)})
    return rows.astype(str)


def save_final_model(folder: Path, train: pd.DataFrame) -> None:
    """What retraining leaves: one predictor, and how to answer with it."""
    from pipeline.answering.submissions import submission_layout
    from pipeline.core.types import FitJob
    from pipeline.features import features
    from pipeline.features.schema import apply
    from pipeline.features.settling import settle
    from pipeline.models import models
    from pipeline.tasks import tasks
    from pipeline.training import learners
    from pipeline.training.predictor import Predictor

    schema = settle(train, None, id="Id", target="Price")
    rows = apply(schema, train, training=True, where="train")
    feature_set, task = features.build("tabular", "test"), tasks.build("regression", "test")
    model, learner = models.build("ridge", "test"), learners.build("estimator", "test")
    encoder, target = feature_set.fit(rows, schema, 0), task.fit_target(rows["Price"], schema)
    encoded = {**encoder.encode(rows), "target": target.encode(rows["Price"])}
    fitted = learner.fit(FitJob(model=model, task=task, spec=encoder.spec, train=encoded, valid=None, seed=0))
    Predictor(schema, feature_set, encoder, task, target, model, learner, encoder.spec, fitted).save(
        folder / "members" / "0"
    )
    layout = submission_layout(None, id_column="Id", target_column="Price", submission_format="values", classes=())
    (folder / "final.json").write_text(json.dumps({"members": 1}))
    answer = {"models": {"ames-ridge": "."}, "weights": {"ames-ridge": 1.0}, "submission": layout}
    (folder / "answer.json").write_text(json.dumps(answer))


@pytest.fixture(scope="module")
def logged(module_project):
    """A registered model and the blend of it alone, as champion."""
    project = module_project
    final = project.root / "final"
    final.mkdir()
    save_final_model(final, raw_rows(80, seed=0))
    answer = json.loads((final / "answer.json").read_text())
    answer["models"] = {"ames-ridge": "models/ames-ridge"}
    (project.root / "answer.json").write_text(json.dumps(answer))
    with pytest.MonkeyPatch.context() as surroundings:
        surroundings.setenv("DVC_ROOT", str(project.root))
        surroundings.setenv("PODIUM_TRACKING", "later")
        with tracking.run(competition="ames", stage="retrain", model="ames-ridge") as run:
            run.metrics({"rounds": 1})
            run.model(final, name="ames-ridge", register="ames")
        with tracking.run(competition="ames", stage="blend") as run:
            contents = {"answer.json": project.root / "answer.json", "models/ames-ridge": final}
            example = raw_rows(2, seed=2).drop(columns="Price").to_dict("list")
            about = "**blend** of ames: models:/ames/VERSION"
            served = {"inputs": list(example), "example": example, "about": about}
            run.model(contents, name="blend", register="ames", alias="champion", served=served)
        sender = deliver_waiting()
    assert sender.refused == []
    return project


def test_models_are_registered_with_the_blend_as_champion(logged):
    client = logged.client()
    versions = {version.tags["model"]: version for version in client.search_model_versions("name = 'ames'")}
    assert set(versions) == {"ames-ridge", "blend"}
    assert client.get_model_version_by_alias("ames", "champion").version == versions["blend"].version
    assert versions["ames-ridge"].run_id == logged.runs()["ames-ridge retrain"].info.run_id


def test_the_champion_says_what_it_reads_answers_and_is(logged):
    import mlflow

    version = logged.client().get_model_version_by_alias("ames", "champion")
    assert version.description == f"**blend** of ames: models:/ames/{version.version}"
    mlflow.set_tracking_uri(logged.uri)
    model = mlflow.pyfunc.load_model("models:/ames@champion")
    signature = model.metadata.signature
    assert signature.inputs.input_names() == ["Id", "Area", "Street"]
    assert [(column.name, str(column.type)) for column in signature.outputs] == [
        ("Id", "Any"),
        ("Price", "DataType.double"),
    ]
    example = model.input_example
    assert list(example) == ["Id", "Area", "Street"] and list(model.predict(example)) == ["Id", "Price"]


def test_the_champion_answers_raw_rows_in_a_process_without_podium(logged, tmp_path):
    from pipeline.answering.final_models import load_answering

    test = raw_rows(30, seed=1).drop(columns="Price")
    test.loc[3, "Area"] = ""  # a missing whole number
    test.to_csv(tmp_path / "test.csv", index=False)
    code = f"""
import sys
sys.path[:] = [p for p in sys.path if p and not p.startswith({str(Path(tracking.__file__).parents[2])!r} + "/pipeline")]
import mlflow, pandas as pd
mlflow.set_tracking_uri({logged.uri!r})
model = mlflow.pyfunc.load_model("models:/ames@champion")
rows = pd.read_csv("test.csv", dtype=str, keep_default_na=False)
model.predict(rows).to_csv("answers.csv", index=False)
numbers = pd.read_csv("test.csv")  # as a user may read it: Area is float with a NaN
model.predict(numbers).to_csv("numbers.csv", index=False)
print(sys.modules["pipeline"].__file__)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert str(logged.root / "mlruns") in done.stdout  # the code that travelled with the model
    assert done.stderr == ""
    expected = load_answering(logged.root / "final").answer(test)
    expected.to_csv(tmp_path / "expected.csv", index=False)
    assert (tmp_path / "answers.csv").read_text() == (tmp_path / "expected.csv").read_text()
    assert list(pd.read_csv(tmp_path / "numbers.csv").columns) == ["Id", "Price"]


def test_nothing_logged_is_a_pickle(logged):
    files = [file for file in (logged.root / "mlruns").rglob("*") if file.is_file()]
    files = [file for file in files if file.parent.name != "__pycache__"]  # which loading its code leaves there
    assert any(file.name == "answer.json" for file in files)
    assert not [file for file in files if file.suffix in (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".pyc")]
    assert not [file for file in files if file.read_bytes()[:1] == b"\x80" and file.read_bytes().endswith(b".")]
