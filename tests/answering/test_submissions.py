"""Submissions: made like the sample, checked, read back, scored."""

import numpy as np
import pandas as pd
import pytest

from pipeline.answering.answer_files import Writing, check_written, read_answers, write_answers
from pipeline.answering.submission_layout import submission_layout
from pipeline.answering.submissions import (
    check_submission,
    format_predictions,
    make_submission,
)
from pipeline.core.errors import UserError

IDS = pd.Series([11, 12, 13], name="Id")
PRICES = pd.DataFrame({"prediction": [1.5, 2.25, 1 / 3]})
TWO = pd.DataFrame({"no": [0.9, 0.2, 0.5], "yes": [0.1, 0.8, 0.5]})


def form(kind="values", classes=(), id_column="Id", target_column="y"):
    return {"id_column": id_column, "target_column": target_column, "submission_format": kind, "classes": classes}


def named(frame, classes):
    return frame.set_axis([str(level) for level in classes], axis=1)


def test_values_come_in_the_samples_columns_and_order():
    sample = pd.DataFrame({"Id": [13, 11, 12], "Price": [0, 0, 0]})
    made = make_submission(PRICES, IDS, sample, **form(target_column="price"))
    assert made.to_dict("list") == {"Id": [13, 11, 12], "Price": [1 / 3, 1.5, 2.25]}
    swapped = make_submission(PRICES, IDS, sample[["Price", "Id"]], **form())
    assert list(swapped) == ["Price", "Id"]
    check_submission(made, sample, **form())


def test_without_a_sample_there_are_id_and_target():
    made = make_submission(PRICES, IDS, None, **form())
    assert made.to_dict("list") == {"Id": [11, 12, 13], "y": [1.5, 2.25, 1 / 3]}
    check_submission(made, None, IDS, **form())
    three = named(pd.DataFrame(np.eye(3)), "abc")
    assert list(make_submission(three, IDS, None, **form("probabilities", ["a", "b", "c"]))) == ["Id", "a", "b", "c"]
    assert list(make_submission(TWO, IDS, None, **form("probabilities", ["no", "yes"]))) == ["Id", "y"]


@pytest.mark.parametrize(
    ("classes", "in_sample", "expected"),
    [
        ([0, 1], [0, 0, 0], [0, 1, 0]),
        ([0, 1], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]),
        ([0, 1], ["False"] * 3, ["False", "True", "False"]),
        (["no", "yes"], ["no", "yes", "no"], ["no", "yes", "no"]),
        (["no", "yes"], [" no", " no", " no"], [" no", " yes", " no"]),  # as a file written "id, y" has it
        (["no", "yes"], [0, 0, 0], ["no", "yes", "no"]),  # a placeholder says nothing
        (["False", "True"], ["TRUE", "FALSE", "TRUE"], ["FALSE", "TRUE", "FALSE"]),
        (["False", "True"], ["false"] * 3, ["false", "true", "false"]),
        (["False", "True"], [False] * 3, [False, True, False]),
        (["False", "True"], [0, 1, 0], [0, 1, 0]),
        ([False, True], ["True", "False", "True"], ["False", "True", "False"]),
        (["1", "2"], [1, 1, 2], [1, 2, 1]),
    ],
)
@pytest.mark.parametrize("kind", ["classes", "values"])
def test_classes_are_written_as_the_sample_has_them(classes, in_sample, expected, kind):
    sample = pd.DataFrame({"Id": IDS, "y": in_sample})
    made = make_submission(named(TWO, classes), IDS, sample, **form(kind, classes))
    assert made["y"].tolist() == expected
    assert [type(value) for value in made["y"].tolist()] == [type(value) for value in expected]
    check_submission(made, sample, **form(kind, classes))


def test_probability_of_the_second_class_or_of_every_class_by_name():
    one = make_submission(TWO, IDS, pd.DataFrame({"Id": IDS, "y": 0.5}), **form("probabilities", ["no", "yes"]))
    assert one["y"].tolist() == [0.1, 0.8, 0.5]
    both = pd.DataFrame({"Id": IDS, "yes": 0.5, "no": 0.5})
    assert make_submission(TWO, IDS, both, **form("probabilities", ["no", "yes"]))["yes"].tolist() == [0.1, 0.8, 0.5]
    three = named(pd.DataFrame([[0.1, 0.2, 0.7]] * 3), ["C", "CL", "D"])
    sample = pd.DataFrame({"Id": IDS, "Status_D": 0.0, "Status_CL": 0.0, "Status_C": 0.0})
    made = make_submission(three, IDS, sample, **form("probabilities", ["C", "CL", "D"]))
    assert made.iloc[0, 1:].tolist() == [0.7, 0.2, 0.1]
    check_submission(made, sample, **form("probabilities", ["C", "CL", "D"]))


def test_a_class_whose_name_ends_like_anothers_has_its_own_column():
    classes = ["no_smoke", "smoke"]
    told = named(TWO, classes)
    both = pd.DataFrame({"Id": IDS, "p_smoke": 0.5, "p_no_smoke": 0.5})
    made = make_submission(told, IDS, both, **form("probabilities", classes))
    assert made["p_no_smoke"].tolist() == [0.9, 0.2, 0.5] and made["p_smoke"].tolist() == [0.1, 0.8, 0.5]
    for column, expected in (("p_no_smoke", [0.9, 0.2, 0.5]), ("p_smoke", [0.1, 0.8, 0.5]), ("y", [0.1, 0.8, 0.5])):
        lone = pd.DataFrame({"Id": IDS, column: 0.5})
        assert make_submission(told, IDS, lone, **form("probabilities", classes))[column].tolist() == expected


def test_without_an_id_the_rows_are_the_samples_in_order():
    plain = form(id_column=None)
    assert make_submission(PRICES, None, pd.DataFrame({"y": [0, 0, 0]}), **plain).to_dict("list") == {
        "y": [1.5, 2.25, 1 / 3]
    }
    sample = pd.DataFrame({"ImageId": [1, 2, 3], "y": 0})
    made = make_submission(PRICES, None, sample, **plain)
    assert made.to_dict("list") == {"ImageId": [1, 2, 3], "y": [1.5, 2.25, 1 / 3]}
    check_submission(made, sample, **plain)
    with pytest.raises(UserError, match="as many rows as the test rows, 3, got 2"):
        make_submission(PRICES, None, sample[:2], **plain)


def test_a_layout_is_plain_data_and_serves_new_rows():
    import json

    sample = pd.DataFrame({"Id": IDS, "y": ["TRUE", "FALSE", "TRUE"]})
    layout = submission_layout(sample, **form("classes", ["False", "True"]))
    layout = json.loads(json.dumps(layout))
    new = named(TWO, ["False", "True"])[:2]
    made = format_predictions(new, pd.Series(["a", "b"]), layout, ["False", "True"])
    assert made.to_dict("list") == {"Id": ["a", "b"], "y": ["FALSE", "TRUE"]}
    assert format_predictions(new, None, layout, ["False", "True"])["Id"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("ids", "sample_ids", "message"),
    [
        ([11, 12, 13], [11, 12, 14], "test rows: id 14 of the sample submission is missing"),
        ([11, 12, 13], [11, 12], r"sample submission: id 13 of the test rows is missing \(1 such in all\)"),
        ([11, 12, 12], [11, 12, 13], "test rows: needs each id once, got 12 twice"),
        ([11, 12, 13], [11, 12, 12], "sample submission: needs each id once, got 12 twice"),
    ],
)
def test_ids_must_be_the_samples(ids, sample_ids, message):
    sample = pd.DataFrame({"Id": sample_ids, "y": 0.0})
    with pytest.raises(UserError, match=message):
        make_submission(PRICES, pd.Series(ids), sample, **form())


def test_ids_match_whatever_type_they_were_read_as():
    sample = pd.DataFrame({"Id": ["13", "11", "12"], "y": 0.0})
    made = make_submission(PRICES, IDS, sample, **form())
    assert made.to_dict("list") == {"Id": ["13", "11", "12"], "y": [1 / 3, 1.5, 2.25]}


@pytest.mark.parametrize(
    ("sample", "settings", "message"),
    [
        ({"Ix": [1], "y": [0]}, form(), "sample submission: no id column 'Id'; known: Ix, y"),
        ({"Id": [1]}, form(), "needs one column beside the id for values, got none"),
        ({"Id": [1], "a": [0], "b": [0]}, form(), "needs one column beside the id for values, got a, b"),
        ({"Id": [1], "y": [0]}, form("classes"), "submission.format: classes need a target of classes"),
        ({"Id": [1], "y": [0]}, form("probabilities", [1, 2, 3]), "one column for each of the classes 1, 2, 3, got y"),
        ({"Id": [1], "x_a": [0], "y_a": [0]}, form("probabilities", ["a", "b"]), "could both be of the class 'a'"),
    ],
)
def test_a_sample_that_does_not_fit(sample, settings, message):
    with pytest.raises(UserError, match=message):
        submission_layout(pd.DataFrame(sample), **settings)


SAMPLE = pd.DataFrame({"Id": [11, 12, 13], "y": [0.0, 0.0, 0.0]})
LABELS = pd.DataFrame({"Id": [11, 12, 13], "y": ["no", "no", "no"]})


@pytest.mark.parametrize(
    ("submission", "sample", "settings", "message"),
    [
        ({"Id": [11, 12, 13], "z": 1.0}, SAMPLE, form(), "needs the columns Id, y, in this order, got Id, z"),
        ({"y": [1.0, 1, 1], "Id": [11, 12, 13]}, SAMPLE, form(), "in this order, got y, Id"),
        ({"Id": [11, 12], "y": 1.0}, SAMPLE, form(), "needs 3 rows, got 2"),
        ({"Id": [11, 12, 12], "y": 1.0}, SAMPLE, form(), "column 'Id' needs each id once, got 12 in row 3"),
        ({"Id": [11, 13, 12], "y": 1.0}, SAMPLE, form(), "column 'Id' needs the ids in order, got 13 in row 2"),
        ({"Id": [11, 12, 13], "y": [1, np.nan, 1]}, SAMPLE, form(), "'y' needs a value in every row, got nan in row 2"),
        ({"Id": [11, 12, 13], "y": [1, 2, np.inf]}, SAMPLE, form(), "'y' needs finite numbers, got inf in row 3"),
        (
            {"Id": [11, 12, 13], "y": ["no", "yes", "maybe"]},
            LABELS,
            form("classes", ["no", "yes"]),
            "'y' needs one of the classes no, yes, got maybe in row 3",
        ),
        (
            {"Id": [11, 12, 13], "y": [0.5, -0.1, 1.0]},
            SAMPLE,
            form("probabilities", ["no", "yes"]),
            "'y' needs probabilities between 0 and 1, got -0.1 in row 2",
        ),
    ],
)
def test_faults_name_rule_column_and_row(submission, sample, settings, message):
    with pytest.raises(UserError, match=message) as caught:
        check_submission(pd.DataFrame(submission), sample, **settings, where="mine.csv")
    assert str(caught.value).startswith("mine.csv: ")
    assert "\n" not in str(caught.value)


def test_without_a_sample_the_test_rows_ids_are_held():
    made = pd.DataFrame({"Id": [11, 13, 12], "y": 1.0})
    with pytest.raises(UserError, match="ids in order, got 13 in row 2"):
        check_submission(made, None, IDS, **form())


def test_what_was_written_reads_back_to_the_last_bit(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "Id": ["007", "NA", "", "a,b", 'say "no"'],
            "y": random.normal(size=5) * 10.0 ** random.integers(-300, 300, 5),
            "single": random.normal(size=5).astype(np.float32),
            "count": [1, -2, 3, 2**60, 0],
            "sure": [True, False, True, True, False],
            "text": ["zwei\nZeilen", "tab\t", " leer ", "été", "None"],
        }
    )
    path = tmp_path / ".submission.csv.1.part"
    frame.to_csv(path, index=False, lineterminator="\n")
    check_written(path, frame)
    path.write_text(path.read_text().replace("2026-", "").replace("007", "7"))
    with pytest.raises(UserError, match="column 'Id' needs to read back as it was written, got 7 in row 1"):
        check_written(path, frame)
    frame[:3].to_csv(path, index=False)
    with pytest.raises(UserError, match="reads back with"):
        check_written(path, frame)


def test_a_carriage_return_within_a_text_ends_no_line(tmp_path):
    frame = pd.DataFrame({"Id": ["1", "2"], "y": ["ein\rZwei", "drei\r\nvier"], "z": [0.5, 1.0]})
    write_answers(frame, tmp_path / "submission.csv", Writing())
    assert (tmp_path / "submission.csv").read_bytes().count(b"\n") == 4
    pd.testing.assert_frame_equal(read_answers(tmp_path / "submission.csv", "Id"), frame)
