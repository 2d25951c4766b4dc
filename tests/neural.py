"""Small jobs of the neural learner, on rows of a known line."""

from __future__ import annotations

import numpy as np

from pipeline.core.registry import build_settings
from pipeline.core.types import FitJob, Spec
from pipeline.models import models
from pipeline.tasks import tasks
from pipeline.training import learners

WEIGHTS, BIAS = np.float32([[2.0], [-3.4], [0.5], [1.0]]), 4.2
REGRESSION = tasks.build("regression", "task")


def line(rows, seed, noise=0.01):
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, 4)).astype(np.float32)
    target = numbers @ WEIGHTS + BIAS + noise * rng.normal(size=(rows, 1))
    return {"numbers": numbers, "target": target.astype(np.float32)}


def learner(**values):
    return build_settings(learners.get("neural"), values, "models.x.fit")


def job(model="linear", *, train=None, valid=None, spec=None, **values):
    train = train or line(200, 0)
    spec = spec or Spec(shapes={"numbers": (4,)}, names={"numbers": list("abcd")}, outputs=1)
    built = models.build(model, "model") if isinstance(model, (str, dict)) else model
    values = {"task": REGRESSION, "seed": 0, **values}
    return FitJob(model=built, spec=spec, train=train, valid=valid, **values)
