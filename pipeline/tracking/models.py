"""An answering folder -> an MLflow pyfunc model from code, registered. No pickle anywhere."""

from __future__ import annotations

import contextlib
import io
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pipeline

if TYPE_CHECKING:
    from mlflow import MlflowClient

SCRIPT = Path(__file__).with_name("pyfunc.py")

REQUIREMENTS = (
    "mlflow", "numpy", "pandas", "pyarrow", "pydantic", "pyyaml", "scipy", "scikit-learn", "skops", "safetensors",
    "torch", "lightgbm", "catboost", "xgboost", "sentencepiece",
)  # fmt: skip
"""What answering may need, pinned to what is installed. Left to MLflow, inferring takes 6 s."""


def log_model(client: MlflowClient, run: str, contents: Path, record: dict[str, Any], *, look_first: bool) -> None:
    """Log ``contents`` under an MLflow run and register it.

    look_first: a sender that was killed may have logged or registered this very record already.
    """
    import mlflow

    key, name, register = record["files"], record["model"], record["register"]
    tags = {"podium.record": key, "model": name}
    model_id = _logged(client, run, key) if look_first else None
    if model_id is None:
        model_id = _log(run, contents, name, tags)
    if register is None:
        return
    number = _registered(client, register, run, key) if look_first else None
    if number is None:
        with contextlib.redirect_stderr(io.StringIO()):  # MLflow prints what it did
            number = mlflow.register_model(f"models:/{model_id}", register, tags=tags).version
    if record["alias"] is not None:
        client.set_registered_model_alias(register, record["alias"], str(number))


def _log(run: str, contents: Path, name: str, tags: dict[str, str]) -> str:
    import mlflow
    from mlflow.models import Model

    logged = Model.log(
        artifact_path=None,
        name=name,
        flavor=mlflow.pyfunc,
        run_id=run,
        tags=tags,
        python_model=str(SCRIPT),
        artifacts={"answering": str(contents)},
        code_paths=[str(Path(pipeline.__file__).parent)],
        pip_requirements=_requirements(),
    )
    return logged.model_id


def _logged(client: MlflowClient, run: str, key: str) -> str | None:
    """The model logged for a record before; what was broken off halfway is deleted."""
    experiment = client.get_run(run).info.experiment_id
    for model in client.search_logged_models([experiment], f"tags.`podium.record` = '{key}'"):
        if str(model.status) == "READY":
            return model.model_id
        client.delete_logged_model(model.model_id)
    return None


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
