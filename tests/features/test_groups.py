"""Statistics within groups, against pandas' own groupby."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.core.errors import Faults, UserError
from pipeline.core.types import Column, Schema
from pipeline.features import features

SCHEMA = Schema(
    "id", "y", (Column("a", "number"), Column("k", "number"), Column("c", "category"), Column("d", "category"))
)


def make_rows(count: int = 300, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    rows = pd.DataFrame({"a": random.normal(3, 2, count), "k": random.integers(0, 3, count) * 0.5})
    rows.loc[random.random(count) < 0.1, "a"] = np.nan
    rows["c"] = pd.Series(random.choice(["u", "v", "w"], count), dtype="str").mask(random.random(count) < 0.1)
    rows["d"] = pd.Series(random.choice(["p", "q"], count), dtype="str")
    rows["y"] = random.normal(size=count)
    return rows


ROWS, OTHER = make_rows(), make_rows(100, seed=1)
OTHER.loc[7, "c"] = "never seen"


def build(**groups):
    raw = {"name": "tabular", "scale": "none", "missing": "keep", "precision": "double", "groups": groups}
    return features.build(raw, "features.x")


def column(rows: pd.DataFrame, fitted_on: pd.DataFrame = ROWS, **group) -> np.ndarray:
    feature_set = build(made=group)
    encoder = feature_set.fit(fitted_on, SCHEMA, seed=0)
    again = feature_set.restore(json.loads(json.dumps(encoder.state(), allow_nan=False)), SCHEMA)
    numbers = encoder.encode(rows)["numbers"]
    np.testing.assert_array_equal(again.encode(rows)["numbers"], numbers)
    return numbers[:, encoder.spec.names["numbers"].index("made")]


@pytest.mark.parametrize("by", ["c", "k", ["c", "d"], ["d", "k", "c"]])
@pytest.mark.parametrize("statistic", ["mean", "std", "median", "min", "max"])
def test_statistics_agree_with_pandas(by, statistic):
    keys = [by] if isinstance(by, str) else by
    table = ROWS.groupby(keys, dropna=False)["a"].agg(statistic).rename("made").reset_index()
    for rows in (ROWS, OTHER):
        wanted = rows[keys].merge(table, on=keys, how="left")["made"].fillna(ROWS["a"].agg(statistic))
        np.testing.assert_allclose(column(rows, by=by, of="a", statistic=statistic), wanted, rtol=1e-12)


def test_count_counts_rows_and_is_0_for_a_group_never_seen():
    counts = ROWS.groupby(["c", "d"], dropna=False).size().rename("made").reset_index()
    wanted = OTHER[["c", "d"]].merge(counts, on=["c", "d"], how="left")["made"].fillna(0)
    np.testing.assert_array_equal(column(OTHER, by=["c", "d"], statistic="count"), wanted)
    assert wanted[7] == 0


def test_against_the_mean():
    mean = OTHER["c"].map(ROWS.groupby("c")["a"].mean())
    mean = mean.mask(OTHER["c"].isna(), ROWS.loc[ROWS["c"].isna(), "a"].mean()).fillna(ROWS["a"].mean())
    got = column(OTHER, by="c", of="a", statistic="difference_from_mean")
    np.testing.assert_allclose(got, OTHER["a"] - mean, rtol=1e-9)
    np.testing.assert_allclose(column(OTHER, by="c", of="a", statistic="ratio_to_mean"), OTHER["a"] / mean, rtol=1e-9)
    assert np.isnan(column(ROWS, ROWS.assign(a=0.0), by="c", of="a", statistic="ratio_to_mean")).all()


def test_a_group_without_values_gets_the_statistic_of_all():
    rows = ROWS.assign(a=ROWS["a"].mask(ROWS["c"] == "u"))
    got = column(rows, rows, by="c", of="a")
    np.testing.assert_allclose(got[rows["c"] == "u"], rows["a"].mean())
    assert np.isnan(column(rows, rows.assign(a=np.nan), by="c", of="a")).all()


def test_statistics_come_from_the_rows_fitted_on_alone():
    before = build(made={"by": "c", "of": "a"}).fit(ROWS, SCHEMA, seed=0).state()
    both = pd.concat([ROWS, OTHER.assign(a=1e9, c="other")], ignore_index=True)
    assert build(made={"by": "c", "of": "a"}).fit(both.iloc[: len(ROWS)], SCHEMA, seed=0).state() == before


def test_trees_get_them_too():
    raw = {"name": "categorical", "groups": {"made": {"by": "c", "of": "a"}}}
    encoder = features.build(raw, "x").fit(ROWS, SCHEMA, seed=0)
    assert encoder.spec.names["numbers"] == ["a", "k", "made"]
    np.testing.assert_array_equal(encoder.encode(OTHER)["numbers"][:, 2], column(OTHER, by="c", of="a"))


def test_bad_groups_are_refused():
    with pytest.raises(Faults, match="needs a number column under of"):
        build(made={"by": "c"})
    with pytest.raises(Faults, match="except to count rows"):
        build(made={"by": "c", "of": "a", "statistic": "count"})
    with pytest.raises(Faults, match="at least one column under by"):
        build(made={"by": [], "of": "a"})
    for groups, message in (
        ({"a": {"by": "c", "of": "k"}}, r"groups\.a: there is a column 'a' already"),
        ({"made": {"by": "y", "of": "a"}}, r"groups\.made\.by: no category or number column 'y'"),
        ({"made": {"by": "c", "of": "d"}}, r"groups\.made\.of: no number column 'd'"),
    ):
        with pytest.raises(UserError, match=message):
            build(**groups).fit(ROWS, SCHEMA, seed=0)
