"""Raw rows -> the answers a submission holds, as an MLflow model.

This file itself is the model ("models from code"): MLflow copies it beside the answering
folder and Podium's code, and runs it when the model is loaded. So nothing is pickled.

Its signature names the inputs and leaves their types open: raw rows whose whole-number columns have
missing values in one file and none in another, or that are all texts, are the same rows.
"""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd  # MLflow looks at the annotation of ``predict``, and warns where it finds none
from mlflow.pyfunc import PythonModel, PythonModelContext


class Answering(PythonModel):
    """Answers raw rows with the id and target columns of a submission."""

    def load_context(self, context: PythonModelContext) -> None:
        from pipeline.answering.final_models import load_answering

        self.answering = load_answering(Path(context.artifacts["answering"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """model_input: rows with the raw files' columns, in any order; the target may be missing."""
        return self.answering.answer(model_input)


mlflow.models.set_model(Answering())
