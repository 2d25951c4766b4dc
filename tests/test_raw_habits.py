"""Files as people have them, from ``fetch`` to the submission: ids to the character, samples of other forms."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from bench import SAMPLE, TEST, TRAIN, Bench, without_column

STAGES = ("fetch", "preprocess", "train", "tune", "blend", "retrain", "submit")


def submission(bench: Bench, mark: str = ",") -> pd.DataFrame:
    """Everything through; the submission as text. What the stages say is left in ``bench.said``."""
    bench.write()
    bench.said = []
    for stage in STAGES:
        code, lines = bench.run(stage, "toy")
        assert code == 0, lines
        bench.said += lines
    return pd.read_csv(bench.root / "data" / "toy" / "submission.csv", sep=mark, dtype=str, keep_default_na=False)


def renamed(table: str, ids: list[str]) -> str:
    head, *lines = table.splitlines()
    return "\n".join([head, *(f"{id},{line.partition(',')[2]}" for id, line in zip(ids, lines, strict=True))]) + "\n"


@pytest.mark.parametrize(
    "ids",
    [
        ["99998", "99999", "1e+05", "100001", "100002", "100003", "100004", "100005", "100006", "100007"],
        ["1E2", "10E1", "2010.1", "2010.10", "007", "7", "1_000", " 5", "a b", "0x1F"],
        [str(9223372036854775813 + i) for i in range(10)],
        ["NA", "null", "nan", "None", "-", "?", "1,5", '"q"', "é", "#N/A"],
    ],
    ids=["R", "look alike", "uint64", "words for nothing"],
)
def test_ids_are_text_to_the_character(bench, ids):
    quoted = ['"' + one.replace('"', '""') + '"' for one in ids]
    bench.files["test.csv"], bench.files["sample_submission.csv"] = renamed(TEST, quoted), renamed(SAMPLE, quoted[::-1])
    assert submission(bench)["id"].tolist() == ids[::-1]


def test_uint64_ids_of_parquet(bench):
    ids = np.arange(10, dtype="uint64") + np.uint64(9223372036854775813)
    table = io.BytesIO()
    pd.read_csv(io.StringIO(TEST)).assign(id=ids).to_parquet(table)
    bench.files |= {"test.csv": None, "test.parquet": table.getvalue(), "sample_submission.csv": None}
    assert submission(bench)["id"].tolist() == [str(one) for one in ids]


def test_the_sample_spells_ids_and_their_column(bench):
    lines = "".join(f"{i}.0,1\n" for i in range(30, 40))
    bench.files["sample_submission.csv"] = "Id,y\n" + lines
    made = submission(bench)
    assert list(made) == ["Id", "y"] and made["Id"].tolist() == [f"{i}.0" for i in range(30, 40)]


def test_training_rows_need_no_ids_and_may_have_those_of_test_rows(bench):
    bench.files["train.csv"] = without_column(TRAIN, 0)
    without = submission(bench)
    assert without["id"].tolist() == [str(i) for i in range(30, 40)]


def test_training_ids_may_repeat_and_begin_again(bench):
    bench.files["train.csv"] = renamed(TRAIN, ["30"] * 30)
    assert submission(bench)["id"].tolist() == [str(i) for i in range(30, 40)]


def test_columns_of_the_test_file_alone_are_left_out(bench):
    head, *lines = TEST.splitlines()
    bench.files["test.csv"] = "\n".join([f"{head},more", *(f"{line},x" for line in lines)]) + "\n"
    assert len(submission(bench)) == 10
    assert '"more": "not in the training file"' in (bench.root / "data" / "toy" / "schema.json").read_text()


def test_a_sample_of_a_few_rows_is_an_example(bench):
    bench.files["sample_submission.csv"] = "\n".join(SAMPLE.splitlines()[:4]) + "\n"
    assert submission(bench)["id"].tolist() == [str(i) for i in range(30, 40)]


def orders(bench: Bench, column: str, **options) -> None:
    """Two classes that the size decides, and a sample with one column of probabilities."""
    bench.competition |= {"task": "classification", "metric": "log_loss"}
    bench.competition |= {"split": {"name": "stratified", "folds": 3}, "submission": {"format": "probabilities"}}
    bench.competition["submission"] |= options
    bench.model |= {"model": {"name": "logistic_regression"}}
    kinds = ["cancelled" if i * 7 % 11 > 5 else "shipped" for i in range(30)]
    lines = TRAIN.splitlines()[1:]
    bench.files["train.csv"] = "id,colour,size,y\n" + "".join(
        f"{line.rpartition(',')[0]},{kind}\n" for line, kind in zip(lines, kinds, strict=True)
    )
    bench.files["test.csv"] = "id,colour,size\n" + "".join(f"{i},red,{i % 11}\n" for i in range(30, 41))
    bench.files["sample_submission.csv"] = f"id,{column}\n" + "".join(f"{i},0.5\n" for i in range(30, 41))


@pytest.mark.parametrize(
    ("column", "options", "of"),
    [
        ("cancelled", {}, "cancelled"),
        ("shipped", {}, "shipped"),
        ("p_cancelled", {}, "cancelled"),
        ("answer", {}, "shipped"),
        ("answer", {"of": "cancelled"}, "cancelled"),
    ],
)
def test_one_column_of_probabilities_is_of_the_class_it_is_named_after(bench, column, options, of):
    orders(bench, column, **options)
    made = submission(bench)
    large = (made["id"].astype(int) % 11 > 5).to_numpy()
    probability = made[column].astype(float).to_numpy()
    assert (probability[large].min() > probability[~large].max()) == (of == "cancelled")
    # A score reads the column as what it is.
    solution = bench.root / "solution.csv"
    truth = np.where(large, "cancelled", "shipped")
    pd.DataFrame({"id": made["id"], "y": truth}).to_csv(solution, index=False)
    code, _ = bench.run("score", "toy", "--solution", str(solution))
    assert code == 0


def test_a_class_for_a_lone_column_that_is_none_is_refused_before_training(bench):
    orders(bench, "answer", of="returned")
    bench.write()
    assert bench.run("fetch", "toy")[0] == 0
    bench.fails("preprocess", ["submission.of", "cancelled, shipped", "'returned'"], {"raw"} | bench.written())


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ("id,y\n" + "".join(f"{i},1\n" for i in range(130, 140)), ["id 130", "missing (10"]),
        ("\n".join(SAMPLE.splitlines()[:9]) + "\n", ["id 38", "missing (2"]),
        ("id,y,z\n" + "".join(f"{i},1,2\n" for i in range(30, 40)), ["one column beside the id", "y, z"]),
        ("key,y\n" + "".join(f"{i},1\n" for i in range(30, 40)), ["no id column 'id'"]),
    ],
    ids=["other ids", "some rows", "several answers", "other id column"],
)
def test_a_sample_that_does_not_fit_is_told_before_training(bench, sample, words):
    bench.files["sample_submission.csv"] = sample
    bench.write()
    assert bench.run("fetch", "toy")[0] == 0
    bench.fails("preprocess", words, bench.written())


def test_without_a_test_file_all_is_made_but_the_submission(bench):
    bench.files |= {"test.csv": None, "sample_submission.csv": None}
    made = submission(bench)
    assert made.empty and list(made) == ["id", "y"]
    assert any("no test file, so there is nothing to predict" in line for line in bench.said)
    code, lines = bench.run("report", "toy")
    assert code == 0, lines
    # The final models answer new rows all the same.
    (bench.root / "new.csv").write_text(TEST)
    code, lines = bench.run("predict", "toy", "--in", "new.csv", "--out", "answers.csv")
    assert code == 0, lines
    assert len(pd.read_csv(bench.root / "answers.csv")) == 10


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-8-sig"])
def test_encodings_are_recognised(bench, encoding):
    for name in ("train.csv", "test.csv"):
        bench.files[name] = bench.files[name].replace("red", "rosé").encode(encoding)
    bench.write()
    code, lines = bench.run("fetch", "toy")
    assert code == 0
    assert [("cp1252" in line) for line in lines] == [True, True] * (encoding == "cp1252")
    assert "rosé" in (bench.root / "data" / "toy" / "raw" / "train.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_columns_separated_by_other_marks(bench, mark):
    for name, text in bench.files.items():
        bench.files[name] = text.replace(",", mark)
    assert submission(bench, mark)["id"].tolist() == [str(i) for i in range(30, 40)]


@pytest.mark.parametrize(("value", "decimal"), [("0,5", ","), ("0.5", "."), ("0", ".")])
@pytest.mark.parametrize("mark", [";", "\t"])
def test_the_submission_is_separated_as_the_sample_is(bench, mark, value, decimal):
    bench.files["sample_submission.csv"] = SAMPLE.replace(",", mark).replace(f"{mark}1\n", f"{mark}{value}\n")
    numbers = submission(bench, mark)["y"]
    assert numbers.str.fullmatch(rf"-?\d+[{decimal}]\d+").all()
    # It is read back as what it is.
    truth = pd.DataFrame({"id": range(30, 40), "y": numbers.str.replace(decimal, ".").astype(float)})
    truth.to_csv(bench.root / "solution.csv", index=False)
    code, _ = bench.run("score", "toy", "--solution", str(bench.root / "solution.csv"))
    assert code == 0


def test_a_sample_of_whole_numbers_takes_the_training_files_decimal_mark(bench):
    train = "".join(f"{i};red;{i % 7},5;{i * 5 % 13},25\n" for i in range(30))
    bench.files["train.csv"] = f"id;colour;size;y\n{train}"
    bench.files["test.csv"] = "id;colour;size\n" + "".join(f"{i};red;{i % 5},5\n" for i in range(30, 40))
    bench.files["sample_submission.csv"] = SAMPLE.replace(",", ";")
    assert submission(bench, ";")["y"].str.fullmatch(r"-?\d+,\d+").all()


def test_names_of_files_in_any_case(bench):
    bench.files = {
        "Train.CSV": TRAIN,
        "TEST.csv": TEST,
        "Sample_Submission.csv": SAMPLE,
    }
    assert len(submission(bench)) == 10


def test_names_may_hold_the_usual_mark_where_another_separates(bench):
    for name, text in bench.files.items():
        bench.files[name] = text.replace(",", ";").replace("size", "size, all")
    assert len(submission(bench, ";")) == 10


def test_utf_8_with_a_broken_byte_is_told_with_its_line(bench):
    text = bench.files["train.csv"].replace("red", "rosé").encode()
    bench.files["train.csv"] = text.replace("rosé".encode(), b"ros\xe9", 1)
    bench.write()
    code, lines = bench.run("fetch", "toy")
    assert code == 2 and "train.csv line 3" in lines[0] and "0xe9" in lines[0]
