"""Source ``synthetic``: data whose truth is known, the way to check a model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from pipeline.core.files import write_json
from pipeline.core.registry import settings
from pipeline.core.seeds import derive_seed
from pipeline.core.types import Source
from pipeline.sources import sources
from pipeline.sources.competition import compete
from pipeline.sources.files import Missing

if TYPE_CHECKING:
    import numpy as np


@sources.register("synthetic")
@settings
class Synthetic(Source):
    """Rows drawn from a known law; the truth lies beside them in ``truth.json``.

    task: ``linear``: y = intercept + sum(coefficient * x) + noise, x standard normal (D2L 3.3, whose
    own are coefficients [2, -3.4], intercept 4.2, noise 0.01).
    ``polynomial``: one x, given as columns ``x1`` ... of x**i / i!, of which the first
    len(coefficients) count (D2L 3.6: coefficients [1.2, -3.4, 5.6], intercept 5, noise 0.1,
    features 20).
    ``classification``: softmax regression: the class of the largest of x @ coefficients + intercepts
    + noise * Gumbel noise; at noise 1 exactly a softmax of the scores, at 0 certain.
    features: columns of x. coefficients: drawn from the seed where they are not said; for
    classification always drawn. noise: standard deviation (for regression).
    """

    task: Literal["linear", "polynomial", "classification"]
    rows: int = Field(default=1000, ge=2)
    test_rows: int = Field(default=1000, ge=1)
    features: int = Field(default=2, ge=1, le=10_000)
    noise: float = Field(default=0.01, ge=0)
    coefficients: tuple[float, ...] | None = None
    intercept: float = 0.0
    classes: int = Field(default=2, ge=2)
    seed: int = 0
    missing: Missing = ("", "NA")

    @model_validator(mode="after")
    def _coefficients_fit(self) -> Self:
        if self.coefficients is None:
            return self
        count = len(self.coefficients)
        if self.task == "classification":
            raise ValueError("coefficients are drawn from the seed for classification; leave them out")
        if self.task == "linear" and count != self.features:
            raise ValueError(f"{count} coefficients for {self.features} features; linear needs one a feature")
        if self.task == "polynomial" and not 1 <= count <= self.features:
            raise ValueError(
                f"{count} coefficients for {self.features} features; polynomial needs 1 to {self.features}"
            )
        return self

    def fetch(self, folder: Path, competition: str, *, look: bool = True) -> None:
        """Write train, test, sample_submission, solution (CSV) and truth.json."""
        import numpy as np
        import pandas as pd

        random = np.random.Generator(np.random.PCG64(derive_seed("synthetic", self.task, self.seed)))
        x, y, truth = self._classes(random) if self.task == "classification" else self._numbers(random)
        frame = pd.DataFrame(x, columns=[f"x{i + 1}" for i in range(x.shape[1])]).assign(y=y)
        train, test = frame[: self.rows], frame[self.rows :]
        guess: Any = 0 if self.task == "classification" else float(train["y"].mean())
        compete(train, test, target="y", guess=guess).write(folder, self.missing[0])
        write_json(folder / "truth.json", {"task": self.task, "noise": self.noise, **truth})

    def _numbers(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """x [all rows, features], y [all rows], and the truth."""
        import numpy as np

        total = self.rows + self.test_rows
        drawn = random.standard_normal(self.features)
        coefficients = drawn if self.coefficients is None else np.array(self.coefficients)
        if self.task == "linear":
            x = random.standard_normal((total, self.features))
        else:
            powers = np.arange(1, self.features + 1)
            factorials = np.array([math.lgamma(power + 1) for power in powers])
            x = random.standard_normal((total, 1)) ** powers / np.exp(factorials)  # [rows, 1] -> [rows, features]
        noise = random.normal(0.0, self.noise, total)
        y = x[:, : len(coefficients)] @ coefficients + self.intercept + noise  # [rows, features] -> [rows]
        return x, y, {"coefficients": coefficients.tolist(), "intercept": self.intercept}

    def _classes(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """x [all rows, features], y [all rows] in 0 ... classes - 1, and the truth [features, classes]."""
        total = self.rows + self.test_rows
        coefficients = random.standard_normal((self.features, self.classes))
        intercepts = random.standard_normal(self.classes)
        x = random.standard_normal((total, self.features))
        scores = x @ coefficients + intercepts + self.noise * random.gumbel(size=(total, self.classes))
        y = scores.argmax(axis=1)  # [rows, classes] -> [rows]
        return x, y, {"coefficients": coefficients.tolist(), "intercepts": intercepts.tolist()}
