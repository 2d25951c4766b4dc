"""Slices that err otherwise are found where they were planted, and by chance as rarely as said; worst rows, shapes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import mean_squared_error
from stored import Stored

from pipeline.core.schema import Column, Schema
from pipeline.core.types import LOGS
from pipeline.diagnosis.copies import unexplained
from pipeline.diagnosis.evidence import Answered, Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.order import losses, signed
from pipeline.diagnosis.shapes import calibration, distribution, wilson
from pipeline.diagnosis.slices import _of_numbers, number, slices
from pipeline.diagnosis.worst import worst
from pipeline.tasks import tasks

ROWS = 400


def houses(root, seed: int, planted: bool = False) -> Stored:
    """Prices that are told with an error of 1, or of 0.2 in large houses and 5 in others on gravel."""
    generator = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "area": generator.uniform(50, 150, 2 * ROWS).round(),
            "street": generator.choice(["paved", "gravel"], 2 * ROWS, p=[0.8, 0.2]),
            "note": [f"{i} " + "a " * words for i, words in enumerate(generator.integers(1, 9, 2 * ROWS))],
        }
    )
    rows["price"] = generator.uniform(100, 200, 2 * ROWS)
    size = np.ones(2 * ROWS)
    if planted:
        size = np.where(rows["area"] > 130, 0.2, np.where(rows["street"] == "gravel", 5.0, 1.0))
    told = pd.DataFrame({"prediction": rows["price"] + size * generator.normal(size=2 * ROWS)})
    made = Stored(root, rows.iloc[:ROWS], rows.iloc[ROWS:].drop(columns="price"), "price")
    made.predicted("some", told.iloc[:ROWS].reset_index(drop=True), told.iloc[ROWS:].reset_index(drop=True))
    return made


def test_planted_slices_are_found_with_their_scores(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evidence = houses(tmp_path, 0, planted=True).write()
    found = slices(evidence)["found"]
    by_name = {(one["column"], one["slice"]): one for one in found}
    gravel = by_name[("street", "gravel")]
    answered, mask = evidence.answered, (evidence.train["street"] == "gravel").to_numpy()
    truth, told = np.log(answered.target), np.log(answered.predictions["prediction"])
    expected = [mean_squared_error(truth[some], told[some]) ** 0.5 for some in (mask, ~mask)]
    assert [gravel["inside"], gravel["outside"]] == pytest.approx(expected)
    assert gravel["harder"] and gravel["rows"] == mask.sum() and gravel["p"] < 1e-6
    large = next(one for one in found if one["column"] == "area")
    assert not large["harder"] and large["slice"].endswith("to 150") and large["inside"] < large["outside"]
    low, high = map(int, large["slice"].split(" to "))  # whole numbers, by the ends that rows have
    assert large["rows"] == evidence.train["area"].between(low, high).sum()
    assert not [one for one in found if one["column"] == "note"]


def test_rows_of_a_language_model_err_by_the_nats_of_each_word_and_their_count_is_no_answer():
    rows = pd.DataFrame({"text": ["a b c", "d", "e f"], "words": [4.0, 2.0, 3.0]})
    known = SimpleNamespace(
        schema=Schema(None, "words", (Column("text", "text"),)),
        competition=SimpleNamespace(task=tasks.build("language_model", "task"), columns=SimpleNamespace(time=None)),
        train=rows,
        target=rows["words"],
        answered=Answered(
            np.arange(3),
            rows["words"],
            pd.DataFrame({"prediction": [4.0, 6.0, 3.3], LOGS: [[-1.0] * 4, [-3.0] * 2, [-1.1] * 3]}),
        ),
        level=1.0,
    )
    known.kind = Evidence.kind.fget(known)
    assert losses(known)[0].tolist() == pytest.approx([1.0, 3.0, 1.1]) and losses(known)[1] is None
    assert signed(known)[1].tolist() == pytest.approx([1.0, 3.0, 1.1])
    told = [(one["values"], one["truth"], one["said"]) for one in worst(known)["rows"]]
    assert told[0] == (["d"], "2 words", "3.00 nats each")
    assert distribution(known) is None and unexplained(known) == {}
    assert findings.build("POD302", "findings").look(known) is None


def test_a_text_of_one_word_is_told_of_in_the_singular():
    told = [name for _, name, _ in _of_numbers("text", pd.Series([1.0, 2.0, 1.0]), " words")]
    assert told == ["1 word", "2 words"]


def test_numbers_are_told_as_people_write_them():
    assert [number(value) for value in (1947.0, 87_846.31, -123_456.7, 0.123456789, 2.5e13)] == [
        "1947",
        "87,846",
        "-123,457",
        "0.123457",
        "2.5e+13",
    ]


def test_by_chance_slices_are_told_as_rarely_as_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    alarmed = sum(bool(slices(houses(tmp_path, seed).write())["found"]) for seed in range(60))
    assert alarmed <= 7  # of 60 at 5 %, more come once in a hundred such tests


def test_the_worst_rows_stand_first_with_what_they_hold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evidence = houses(tmp_path, 1, planted=True).write()
    told = worst(evidence, ["street"])
    assert told["columns"] == ["note", "street"]
    off = np.log(evidence.answered.predictions["prediction"] / evidence.answered.target).abs()
    first = int(off.idxmax())
    assert told["rows"][0]["truth"] == f"{evidence.answered.target[first]:,.6g}"
    assert told["rows"][0]["values"][1] == evidence.train["street"][first]
    assert len(told["rows"]) == 8 and "best" not in told


def test_intervals_of_shares_are_wilsons():
    for right, rows in ((0, 7), (3, 7), (40, 41)):
        expected = binomtest(right, rows).proportion_ci(method="wilson")
        assert wilson(right / rows, rows) == pytest.approx([expected.low, expected.high])


def test_probabilities_that_keep_their_word_have_a_small_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(2)
    chance = generator.uniform(size=4000)
    rows = pd.DataFrame({"x": chance, "y": np.where(generator.random(4000) < chance, "yes", "no")})
    errors = []
    for told in (chance, chance**3):
        made = Stored(tmp_path, rows, rows.drop(columns="y"), "y")
        frame = pd.DataFrame({"no": 1 - told, "yes": told})
        made.predicted("some", frame, frame)
        evidence = made.write()
        found = calibration(evidence)
        errors.append(found["error"])
        assert sum(one["rows"] for one in found["bins"]) == 4000 and found["of"] == "probability of yes"
        assert distribution(evidence)["truth"] == [int((rows["y"] == name).sum()) for name in ("no", "yes")]
    assert errors[0] < 0.03 < 0.1 < errors[1]
