"""A user's own metric, from a Python file of the project."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from pydantic import field_validator

from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.paths import project_root
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
    def code_files(self) -> tuple[Path, ...]:
        """The file itself: an edit of it scores anew."""
        return ((project_root() / self.path).resolve(),)

    @field_validator("path")
    @classmethod
    def _inside_project(cls, path: str) -> str:
        place = (project_root() / path).resolve()
        # There it is among what the stages depend on, so that an edit of it runs them again.
        if not place.is_relative_to((project_root() / FOLDER).resolve()):
            raise ValueError(f"needs a file in {FOLDER}/")
        if place.suffix != ".py" or not place.is_file():
            raise ValueError("needs a Python file that exists in the project")
        return path

    def score(self, target: pd.Series, predictions: pd.DataFrame) -> float:
        function = _function((project_root() / self.path).resolve(), self.path, self.function)
        try:
            value = function(target, predictions)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"metric {self.path}: {self.function} raised {_described(error)}") from error
        if isinstance(value, bool) or not hasattr(value, "__float__") or not math.isfinite(float(value)):
            raise UserError(f"metric {self.path}: {self.function} must return a finite number, got {value!r}")
        return float(value)


@cache
def _function(place: Path, shown: str, name: str) -> Callable[..., Any]:
    module = ModuleType(f"podium_metric_{place.stem}")
    module.__file__ = str(place)
    sys.modules[module.__name__] = module  # dataclasses and the like look their module up by name
    try:
        # Compiled here rather than imported, so that no __pycache__ appears beside the file.
        exec(compile(place.read_text(encoding="utf-8"), shown, "exec"), module.__dict__)
    except OSError as error:
        raise UserError(f"metric {shown}: cannot be read: {error.strerror}") from None
    except Exception as error:
        raise UserError(f"metric {shown}: cannot be loaded: {_described(error)}") from error
    function = getattr(module, name, None)
    if not callable(function):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UserError(f"metric {shown}: has no function '{name}'{did_you_mean(name, known)}")
    return function


def _described(error: Exception) -> str:
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
