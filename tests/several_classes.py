"""Data of two targets that are classes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.core.types import Schema, Spec
from pipeline.tasks import tasks

RANDOM = np.random.default_rng(1)
ROWS, INPUTS = 240, 4
NUMBERS = RANDOM.normal(size=(ROWS, INPUTS)).astype(np.float32)
SCORES = NUMBERS @ RANDOM.normal(size=(INPUTS, 8)) + 0.2 * RANDOM.normal(size=(ROWS, 8))
SHAPES, COLOURS = ("cone", "cube", "disc", "rod", "star"), ("blue", "green", "red")
TARGETS = pd.DataFrame(
    {
        "shape": pd.Series([SHAPES[i] for i in SCORES[:, :5].argmax(axis=1)], dtype="str"),
        "colour": pd.Series([COLOURS[i] for i in SCORES[:, 5:].argmax(axis=1)], dtype="str"),
    }
)
SCHEMA = Schema(
    None,
    "shape, colour",
    (),
    target_kind="classes",
    targets=("shape", "colour"),
    target_classes=(SHAPES, COLOURS),
)
TASK = tasks.build("multioutput_classification", "task")
TARGET = TASK.fit_target(TARGETS, SCHEMA)
SPEC = Spec(shapes={"numbers": (INPUTS,)}, names={"numbers": list("wxyz")}, outputs=8, target_classes=(SHAPES, COLOURS))


def lacking(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame without every seventh value of a column."""
    return frame.mask((np.arange(frame.size).reshape(frame.shape) % 7) == 0)


def probabilities(frame: pd.DataFrame, target: str) -> np.ndarray:
    return frame[[f"{target}={level}" for level in dict(zip(SCHEMA.targets, SCHEMA.target_classes))[target]]].to_numpy()


def guesses() -> pd.DataFrame:
    """Probabilities that are somewhat right."""
    raw = SCORES + RANDOM.normal(size=SCORES.shape)
    return TASK.predictions(raw, TARGET, SPEC)
