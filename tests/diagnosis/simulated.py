"""Clean competitions, simulated, and what alarms of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from stored import Stored

from pipeline.diagnosis.base import RATE
from pipeline.diagnosis.findings import findings

ROWS = 150
WORDS = [f"{first}{second}" for first in ("ba", "de", "li", "mo", "su") for second in ("n", "rk", "t", "ss", "v", "lo")]


def clean(seed: int, root: Path) -> Stored:
    """Training and test rows of one distribution: skewed, missing, rare and frequent levels, notes of a few words; a
    model of some skill, of classes or, every other time, of a number."""
    generator = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "a": generator.normal(size=2 * ROWS),
            "b": np.exp(generator.normal(size=2 * ROWS)),
            "c": generator.integers(0, 6, 2 * ROWS).astype(float),
            "d": [f"level {i}" for i in generator.geometric(0.15, 2 * ROWS)],
            "e": generator.choice(["north", "south", "west"], 2 * ROWS, p=[0.5, 0.3, 0.2]),
            "f": [" ".join(generator.choice(WORDS, generator.integers(3, 12))) for _ in range(2 * ROWS)],
        }
    )
    told = 1.2 * rows["a"] + 0.3 * generator.normal(size=2 * ROWS)
    if seed % 2:
        rows["y"] = np.exp(1.2 * rows["a"] + generator.normal(size=2 * ROWS))
        frame = pd.DataFrame({"prediction": np.exp(told)})
    else:
        rows["y"] = np.where(generator.random(2 * ROWS) < 1 / (1 + np.exp(-1.5 * rows["a"])), "yes", "no")
        frame = pd.DataFrame({"no": 1 / (1 + np.exp(told)), "yes": 1 / (1 + np.exp(-told))})
    rows.loc[generator.random(2 * ROWS) < 0.2, "b"] = np.nan
    made = Stored(root, rows.iloc[:ROWS], rows.iloc[ROWS:].drop(columns="y"), "y")
    made.predicted("some", frame.iloc[:ROWS].reset_index(drop=True), frame.iloc[ROWS:].reset_index(drop=True))
    return made


def alarms(root: Path, seeds: Iterable[int]) -> list[tuple[set[str], float]]:
    """Of each competition the codes that alarm, and the p-value of adversarial validation. root: the working folder."""
    asked = [findings.build(code, "findings") for code in findings if findings.get(code).by_chance]
    told = []
    for seed in seeds:
        evidence = clean(seed, root).write()
        evidence.level = RATE / len(asked)
        told.append(({one.name for one in asked if one.look(evidence) is not None}, evidence.shift["p"]))
    return told
