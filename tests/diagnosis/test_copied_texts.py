"""A translation whose source is its target is told; some pairs that are alike on both sides are not."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd

from pipeline.core.schema import Column, Schema
from pipeline.diagnosis.findings import findings

SOURCES = [f"open file {i}" for i in range(60)]


def found(targets: list[str]):
    train = pd.DataFrame({"en": pd.Series(SOURCES, dtype="str"), "fr": pd.Series(targets, dtype="str")})
    schema = Schema("id", "fr", (Column("en", "text"),), target_kind="text")
    evidence = SimpleNamespace(kind="text", train=train, target=train["fr"], schema=schema)
    return findings.build("POD301", "f").look(evidence)


def test_a_source_that_is_the_target_is_told_and_names_in_common_are_not():
    other = [text.replace("open", "ouvrir") for text in SOURCES]
    told = found([f" {text}" for text in SOURCES[:58]] + other[58:])
    assert told.about == ("en",) and "en leaves 3.3%" in told.measured
    assert found(SOURCES[:30] + other[30:]) is None
