"""An answering folder -> an MLflow pyfunc model from code, registered. No pickle anywhere."""

from __future__ import annotations

import contextlib
import io
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pipeline
from pipeline.core.files import read_json

if TYPE_CHECKING:
    from mlflow import MlflowClient

SCRIPT = Path(__file__).with_name("pyfunc.py")

REQUIREMENTS = (
    "mlflow", "numpy", "pandas", "pyarrow", "pydantic", "pyyaml", "scipy", "scikit-learn", "safetensors",
    "torch", "lightgbm", "catboost", "xgboost", "sacrebleu", "ftfy", "sentencepiece", "tokenizers", "transformers",
    "timm", "torchvision",
)  # fmt: skip
"""What answering may need, pinned to what is installed. Left to MLflow, inferring takes 6 s."""


def log_model(client: MlflowClient, run: str, contents: Path, record: dict[str, Any], *, look_first: bool) -> None:
    """Log ``contents`` under an MLflow run and register it.

    look_first: a sender that was killed may have logged or registered this very record already.
    """
    import mlflow

    key, name, register = record["files"], record["model"], record["register"]
    tags = {"podium.record": key, "model": name}
    experiment = client.get_run(run).info.experiment_id
    found = client.search_logged_models([experiment], f"tags.`podium.record` = '{key}'") if look_first else []
    # The experiment is named: left to itself, MLflow puts the model into its default one.
    logged = found[0] if found else client.create_logged_model(experiment, name, run, tags)
    if logged.status != "READY":
        _fill(logged.model_id, run, contents, name, record.get("served"))
    if register is None:
        return
    number = _registered(client, register, run, key) if look_first else None
    if number is None:
        with contextlib.redirect_stderr(io.StringIO()):  # MLflow prints what it did
            number = mlflow.register_model(f"models:/{logged.model_id}", register, tags=tags).version
    if served := record.get("served"):
        about = served["about"].replace("VERSION", str(number))
        client.update_model_version(register, str(number), about)
    if record["alias"] is not None:
        client.set_registered_model_alias(register, record["alias"], str(number))


def _fill(model_id: str, run: str, contents: Path, name: str, served: dict[str, Any] | None) -> None:
    import mlflow
    import pandas as pd
    from mlflow.models import Model

    more = {}
    if served is not None:
        more = {"signature": _signature(contents, served["inputs"])}
        if served["example"] is not None:
            more["input_example"] = pd.DataFrame(served["example"])
    with contextlib.redirect_stderr(io.StringIO()):  # MLflow tells how to check the example
        _log(Model, mlflow.pyfunc, model_id, run, contents, name, more)


def _log(model: Any, flavor: Any, model_id: str, run: str, contents: Path, name: str, more: dict[str, Any]) -> None:
    model.log(
        artifact_path=None,
        name=name,
        flavor=flavor,
        run_id=run,
        model_id=model_id,
        python_model=str(SCRIPT),
        artifacts={"answering": str(contents)},
        code_paths=[str(Path(pipeline.__file__).parent)],
        pip_requirements=_requirements(),
        **more,
    )


def _signature(contents: Path, inputs: list[str] | None) -> Any:
    """Inputs by name, of whatever type they were read as: raw rows may hold numbers, or the same as texts, and in a
    few rows a column may miss all its values. Outputs by name and type, as a submission has them."""
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, DataType, Schema, TensorSpec

    layout = read_json(contents / "answer.json")["submission"]
    types = {bool: DataType.boolean, int: DataType.long, float: DataType.double, str: DataType.string}
    written = {type(value) for value in layout.get("written", {}).values()}
    told = types.get(written.pop(), DataType.string) if len(written) == 1 else DataType.double
    columns: list[ColSpec | TensorSpec] = []
    for name in layout["columns"]:
        if name == layout["id"]:
            columns.append(ColSpec(AnyType(), name))
        else:
            columns.append(ColSpec(DataType.double if layout.get("probabilities", {}).get(name) else told, name))
    read: list[ColSpec | TensorSpec] = [ColSpec(AnyType(), name, required=False) for name in inputs or ()]
    named = None if inputs is None else Schema(read)
    return ModelSignature(named, Schema(columns))


def _registered(client: MlflowClient, register: str, run: str, key: str) -> str | None:
    for found in client.search_model_versions(f"name = '{register}' and run_id = '{run}'"):
        if found.tags.get("podium.record") == key:
            return str(found.version)
    return None


def _requirements() -> list[str]:
    pinned = []
    for package in REQUIREMENTS:
        with contextlib.suppress(PackageNotFoundError):
            pinned.append(f"{package}=={version(package).partition('+')[0]}")  # a local build is on no index
    return pinned
