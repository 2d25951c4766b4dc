"""Large tables, whose columns lie in files: the same numbers as of tables in memory, and less memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.core import paged
from pipeline.core.errors import UserError
from pipeline.features import features, tabular_encoder
from pipeline.features.schema import apply, check
from pipeline.features.settling import settle
from pipeline.images.rows import read_rows, write_rows
from pipeline.sources.tables import read_table

ROWS = 3000


@pytest.fixture(autouse=True)
def in_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


@pytest.fixture
def large(monkeypatch):
    monkeypatch.setattr(paged, "LARGE", 1000)
    monkeypatch.setattr(tabular_encoder, "BLOCK", 999)


def raw() -> pd.DataFrame:
    random = np.random.default_rng(0)
    rows = pd.DataFrame({f"x{j}": random.normal(j, 1 + j, ROWS) for j in range(4)})
    rows["whole"] = random.integers(0, 9, ROWS)
    rows["word"] = pd.Series(random.choice(["a", "bb", "cé", ""], ROWS)).astype("str")
    rows["y"] = random.normal(size=ROWS)
    rows.loc[random.random(ROWS) < 0.1, "x1"] = np.nan
    return rows


def through(settings: dict) -> tuple:
    """What a parquet file becomes on its way to a matrix: raw and typed rows, some of them, and what is encoded."""
    table = read_table(Path("train.parquet"))
    schema = settle(table, None, id=None, target="y")
    rows = apply(schema, table, training=True, where="train")
    check(schema, rows, "train", training=True)
    write_rows(rows, Path("rows.parquet"))
    again = read_rows(Path("rows.parquet"), schema, ["word"])
    some = paged.take_rows(again, np.arange(ROWS) % 3 > 0)
    encoder = features.build(settings, "features").fit(some, schema, seed=0)
    return (table, rows, again, some), encoder.state(), encoder.encode(again)


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "tabular", "missing": "median", "missing_flags": True, "categories": "count"},
        {"name": "tabular", "scale": "robust", "combine": {"both": {"add": ["x0", "x1"]}}, "bins": {}},
        {"name": "categorical"},
    ],
    ids=["standard", "robust", "categorical"],
)
def test_a_large_table_gives_the_very_numbers_of_a_small_one(settings, request):
    raw().to_parquet("train.parquet", index=False, row_group_size=700)
    frames, state, encoded = through(settings)
    request.getfixturevalue("large")
    paged_frames, paged_state, paged_encoded = through(settings)
    for one, other in zip(frames, paged_frames, strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert state == paged_state
    assert encoded.keys() == paged_encoded.keys()
    for name in encoded:
        np.testing.assert_array_equal(encoded[name], paged_encoded[name], strict=True)
    assert all(paged._is_mapped(frame["x1"].to_numpy()) for frame in paged_frames)
    assert not any(paged._is_mapped(frame["x1"].to_numpy()) for frame in frames)
    assert list(Path(".podium/paged").iterdir()) == []


def test_who_writes_to_a_column_changes_a_copy_of_his_own(large):
    column = paged.paged(np.arange(5.0))
    other = paged.paged(column)
    column[0] = 7
    assert other is column
    values = np.arange(5.0)
    mine, theirs = paged.paged(values), paged.paged(values)
    mine[:] = 0
    np.testing.assert_array_equal(theirs, values)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", None, "ü" * 3] * 5, "str"),
        ([None] * 15, "str"),
        (["2024-02-29", None, "1970-01-01"] * 5, "datetime64[s]"),
        (["a", None, "b"] * 5, "category"),
        ([True, False, True] * 5, "bool"),
    ],
)
def test_a_column_keeps_its_kind_name_and_index(values, kind, large):
    column = pd.Series(values, name="word", index=range(3, 18)).astype(kind)
    pd.testing.assert_series_equal(paged.paged(column), column)


def test_a_faulty_large_file_is_told_as_a_small_one(large):
    raw().assign(odd=[[1, 2]] * ROWS).to_parquet("train.parquet")
    with pytest.raises(UserError, match=r"train\.parquet column 'odd': holds list"):
        read_table(Path("train.parquet"))


SCRIPT = """
import re
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from pipeline.core import paged
from pipeline.core.memory import give_memory_back
from pipeline.sources.tables import read_table
random = np.random.default_rng(0)
with pq.ParquetWriter("train.parquet", pa.schema([(f"x{j}", pa.float64()) for j in range(24)])) as writer:
    for _ in range(6):
        writer.write_table(pa.table({f"x{j}": random.normal(size=50_000) for j in range(24)}))
def held():
    give_memory_back()
    return int(re.search(r"RssAnon:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
read_table(Path("train.parquet"))
for paged.LARGE in (1 << 20, 1 << 40):
    before = held()
    rows = paged.take_rows(read_table(Path("train.parquet")), np.arange(300_000) > 0)
    print(held() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_table_is_not_held_in_memory():
    told = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True).stdout
    in_files, in_memory = map(int, told.split())
    table = 8 * 300_000 * 24
    assert in_memory > 0.9 * table
    assert in_files < 0.3 * table
