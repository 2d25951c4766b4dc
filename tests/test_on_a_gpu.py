"""Every network on a CUDA device: it trains there, and its saved weights answer alike on the processor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_contracts import (
    SETTINGS,
    SHELVES,
    _encoder,  # noqa: F401  a fixture of all tests here
    feature_set,
    folds_of,
    pairings,
    rows_for,
    schema_for,
)

from pipeline.core.registry import build_settings
from pipeline.core.types import FitJob

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


@pytest.mark.parametrize(
    ("name", "task_name", "set_name"), [one for one in pairings() if SHELVES.models.get(one[0]).learner == "neural"]
)
def test_what_a_gpu_has_trained_the_processor_answers_alike(name, task_name, set_name, tmp_path: Path):
    task, model = SHELVES.tasks.build(task_name, "task"), SHELVES.models.build(name, "model")
    settings = SETTINGS["fit", "neural"]
    there, here = (
        build_settings(SHELVES.learners.get("neural"), {**settings, "device": device}, "fit")
        for device in ("cuda", "cpu")
    )
    schema, features = schema_for(task.target_kind), feature_set(set_name)
    rows = rows_for(schema)
    encoder, target = features.fit(rows, schema, seed=0), task.fit_target(rows[schema.target], schema)
    spec = replace(encoder.spec, outputs=task.outputs(schema, encoder.spec))
    train, values = encoder.encode(rows, training=folds_of(rows)), target.encode(rows[schema.target])
    train |= {} if values is None else {"target": values}
    fitted = there.fit(FitJob(model=model, task=task, spec=spec, train=train, valid=None, seed=3, rounds=2))
    assert next(fitted.network.parameters()).is_cuda
    fitted.save(tmp_path)
    loaded = here.load(tmp_path, model, task, spec)
    inputs = encoder.encode(rows.drop(columns=schema.target) if task.target_kind == "text" else rows)
    mine, theirs = (task.predictions(one.raw(inputs), target, spec) for one in (loaded, fitted))
    if task.target_kind == "text":  # a hair's breadth may decide a token
        assert (mine["prediction"] == theirs["prediction"]).mean() > 0.8
    else:
        numbers = mine.select_dtypes("number")
        np.testing.assert_allclose(numbers, theirs[numbers.columns], rtol=2e-3, atol=2e-3)
