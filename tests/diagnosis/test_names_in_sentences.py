"""Sentences call a model by its name without its competition's, and leave all other words alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
from simulated import ROWS, clean

from pipeline.diagnosis.diagnose import diagnose


def test_only_models_are_called_otherwise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = clean(0, tmp_path)
    made.test.loc[::4, "e"] = "crypttoy-monthly"
    generator = np.random.default_rng(0)
    yes = generator.random(2 * ROWS)
    lost = pd.DataFrame({"no": 1 - yes, "yes": yes})
    made.predicted("toy-lost", lost.iloc[:ROWS], lost.iloc[ROWS:].reset_index(drop=True))
    told = {one["code"]: one for one in diagnose(made.write())["findings"]}
    assert "'crypttoy-monthly'" in told["POD203"]["measured"]
    assert "lost" in told["POD103"]["measured"] and "toy-lost" not in told["POD103"]["measured"]
    assert told["POD103"]["about"] == ["toy-lost"]
