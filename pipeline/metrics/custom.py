"""A user's own metric, from a Python file of the project."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import field_validator

from pipeline.core.errors import UserError, did_you_mean, quoted
from pipeline.core.own_code import check_own_file, described, load_own_file, needed_place
from pipeline.core.registry import settings
from pipeline.core.types import Metric
from pipeline.metrics import metrics

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "pipeline/metrics/own"
TaskName = Literal["regression", "classification", "language_model", "translation"]


@metrics.register("file")
@settings
class FileMetric(Metric):
    """``function(target, predictions) -> float`` of a file in ``pipeline/metrics/own/``.

    target: Series of raw targets [rows]. predictions: with the same index, a frame with the
    column ``prediction``, or one probability column a class. Whatever the function raises, or
    returns that is no finite number, is a UserError naming file and function.
    """

    path: str
    function: str = "score"
    higher_is_better: bool  # type: ignore[misc]  # a setting here
    tasks: tuple[TaskName, ...] = (  # type: ignore[misc]
        "regression",
        "classification",
        "language_model",
        "translation",
    )

    @property
    def label(self) -> str:
        """What tables and pages call it: the file's name."""
        return Path(self.path).stem

    @property
    def perfect(self) -> float | None:
        return None

    @property
    def worst(self) -> float | None:
        return None

    @property
    def code_files(self) -> tuple[Path, ...]:
        """The file itself: an edit of it scores anew."""
        return (needed_place(self.path, FOLDER, f"metric {self.path}"),)

    @field_validator("path")
    @classmethod
    def _inside_project(cls, path: str) -> str:
        return check_own_file(path, FOLDER)

    def score(self, target: pd.Series, predictions: pd.DataFrame) -> float:
        function = _function(needed_place(self.path, FOLDER, f"metric {self.path}"), self.path, self.function)
        try:
            value = function(target, predictions)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"metric {self.path}: {self.function} raised {described(error)}") from error
        if (number := _number(value)) is None:
            raise UserError(f"metric {self.path}: {self.function} must return a finite number, got {quoted(value)}")
        return number


def _number(value: Any) -> float | None:
    """None of what is no finite number, such as a truth value, or several numbers in an array."""
    if not isinstance(value, bool) and hasattr(value, "__float__") and getattr(value, "ndim", 0) == 0:
        number = float(value)
        return number if math.isfinite(number) else None
    return None


@cache
def _function(place: Path, shown: str, name: str) -> Callable[..., Any]:
    module = load_own_file(place, f"metric {shown}")
    function = getattr(module, name, None)
    if not callable(function):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UserError(f"metric {shown}: has no function '{name}'{did_you_mean(name, known)}")
    return function
