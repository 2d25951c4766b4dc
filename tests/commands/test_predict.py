"""``predict`` on rows that are not quite like the training file's."""

from __future__ import annotations

import json
import warnings
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from bench import TEST, TRAIN, changed, without_column

from pipeline.core.files import read_json


@pytest.fixture
def answered(bench):
    bench.write()
    for stage in ("fetch", "preprocess", "train", "tune", "blend", "retrain"):
        assert bench.run(stage, "toy")[0] == 0
    return bench


def test_an_unseen_level_is_answered_and_told_of(answered):
    from pipeline.answering.final_models import load_answering
    from pipeline.sources.tables import read_table

    rows = changed(3, 1, "green", changed(4, 1, "pink", changed(9, 1, "green", changed(7, 1, "", TEST))))
    for name, text in (("new.csv", rows), ("known.csv", TEST)):
        (answered.root / name).write_text(text)
    assert answered.run("predict", "toy", "--in", "known.csv", "--out", "out.csv") == (0, [])
    told = "column 'colour': 3 of 10 rows hold a level that training never saw, such as 'green', 'pink'"
    code, lines = answered.run("predict", "toy", "--in", "new.csv", "--out", "out.csv")
    assert code == 0 and len((answered.root / "out.csv").read_text().splitlines()) == 11
    assert lines == [f"warning: new.csv: {told}; they are answered as unknown"]
    served = load_answering(answered.root / "data" / "toy" / "final" / "toy-ridge")
    with pytest.warns(UserWarning, match=told):
        served.answer(read_table(answered.root / "new.csv"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        served.answer(read_table(answered.root / "known.csv"))


def test_a_byte_that_makes_the_file_cp1252_is_told_with_its_line(answered):
    (answered.root / "new.csv").write_bytes(TEST.encode().replace(b"\n31,", b"\n31\xff,"))
    code, lines = answered.run("predict", "toy", "--in", "new.csv", "--out", "out.csv")
    assert code == 0 and lines[0].startswith("warning: new.csv line 3: byte 0xff is not valid UTF-8"), lines
    assert "31ÿ," in (answered.root / "out.csv").read_text()


def test_rows_without_their_id_or_a_column_are_told_what_to_do(answered):
    new = {
        "noid.csv": (without_column(TEST, 0), "noid.csv: column 'id' is missing, and it names the rows of the answer"),
        "less.csv": (without_column(TEST, 2), "less.csv: column 'size' is missing, and the training file has it; add"),
    }
    for name, (rows, told) in new.items():
        (answered.root / name).write_text(rows)
        code, lines = answered.run("predict", "toy", "--in", name, "--out", "out.csv")
        assert code == 2 and len(lines) == 1 and lines[0].startswith(f"error: {told}"), lines
    assert not (answered.root / "out.csv").exists()
    (answered.root / "new.csv").write_text(TEST)
    code, lines = answered.run("predict", "toy", "--in", "new.csv", "--out", "new.csv/out.csv")
    told = "new.csv: File exists; nothing was written, give another name, or take what stands there away"
    assert (code, lines) == (2, [f"error: {told}"])


def test_nothing_but_a_file_of_its_own_is_written(answered):
    (answered.root / "new.csv").write_text(TEST)
    (answered.root / "folder.csv").mkdir()
    (answered.root / "linked.csv").symlink_to("new.csv")
    for out, told in (
        ("folder.csv", "folder.csv is a folder; name a file"),
        ("new.csv", "new.csv holds the rows that --in names, and would be lost; name another file"),
        ("linked.csv", "linked.csv holds the rows that --in names, and would be lost; name another file"),
    ):
        assert answered.run("predict", "toy", "--in", "new.csv", "--out", out) == (2, [f"error: --out: {told}"])
    assert (answered.root / "new.csv").read_text() == TEST


@pytest.mark.parametrize("first", [0, 1, 892])
def test_rows_without_ids_are_numbered_as_the_sample_submission_numbers_them(bench, first):
    for name in ("train.csv", "test.csv"):
        bench.files[name] = without_column(bench.files[name], 0)
    bench.files["sample_submission.csv"] = "Row,y\n" + "".join(f"{first + i},1\n" for i in range(10))
    bench.competition["columns"] = {"target": "y"}
    bench.write()
    bench.through("fetch", "preprocess", "train", "tune", "blend", "retrain", "submit")
    (bench.root / "new.csv").write_text(bench.files["test.csv"])
    assert bench.run("predict", "toy", "--in", "new.csv", "--out", "out.csv") == (0, [])
    assert (bench.root / "out.csv").read_text() == (bench.root / "data/toy/submission.csv").read_text()


def test_probabilities_of_all_classes_in_place_of_what_the_submission_wants(bench):
    """Before thresholds decide."""
    table = pd.read_csv(StringIO(TRAIN)).assign(y=lambda rows: (rows["size"] > 3).astype(int))
    rows = pd.concat([table] * 6, ignore_index=True)
    bench.files["train.csv"] = rows.assign(id=range(len(rows))).to_csv(index=False)
    bench.competition |= {"task": {"name": "classification"}, "submission": "classes", "metric": "accuracy"}
    bench.model["model"] = {"name": "logistic_regression", "C": 0.02}
    bench.write()
    bench.through("fetch", "preprocess", "train", "tune", "blend", "retrain")
    path = bench.root / "data" / "toy" / "blend.json"
    decided = {"kind": "thresholds", "thresholds": {"0": 0.9, "1": 0.1}}
    blend = {**read_json(path), "decision": decided}
    path.unlink()  # which may be linked
    path.write_text(json.dumps(blend))
    (bench.root / "new.csv").write_text(TEST)
    for name, more in (("classes", []), ("probabilities", ["--probabilities"])):
        assert bench.run("predict", "toy", "--in", "new.csv", "--out", f"{name}.csv", *more) == (0, [])
    predicted, told = (pd.read_csv(bench.root / f"{name}.csv") for name in ("classes", "probabilities"))
    assert list(predicted) == ["id", "y"] and list(told) == ["id", "0", "1"]
    assert told["id"].tolist() == predicted["id"].tolist()
    np.testing.assert_allclose(told[["0", "1"]].sum(axis=1), 1)
    assert (told["1"] > 0.1).astype(int).tolist() == predicted["y"].tolist()
    assert (told["1"] > 0.5).tolist() != predicted["y"].astype(bool).tolist()


def test_numbers_have_no_probabilities(answered):
    code, lines = answered.run("predict", "toy", "--in", "new.csv", "--out", "out.csv", "--probabilities")
    told = "error: --probabilities: is for tasks with classes; the task of 'toy' is regression"
    assert (code, lines) == (2, [told])


@pytest.mark.parametrize("blend", ["stacked", "equal"])
def test_folds_models_answer_as_the_submission_does(bench, blend):
    """Each fold scales the target by rows of its own, which must not reach what puts the models together."""
    bench.competition |= {"task": {"name": "regression", "target": "standardise"}, "blend": blend}
    bench.model["retrain"] = {"mode": "folds"}
    bench.write(stiff={**bench.model, "model": {"name": "ridge", "alpha": 100.0}})
    bench.through()
    (bench.root / "new.csv").write_text(TEST)
    assert bench.run("predict", "toy", "--in", "new.csv", "--out", "out.csv")[0] == 0
    assert (bench.root / "out.csv").read_text() == (bench.root / "data/toy/submission.csv").read_text()
