"""What is guessed from small tables, and from real competitions where they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.commands.gallery import describe
from pipeline.commands.guess import guess
from pipeline.core.errors import UserError
from pipeline.tasks import tasks

ROWS = 120


def tables(answer: object = 0, **target: object) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Train with the target column(s) given, test, and a sample submission that says ``answer``."""
    generator = np.random.default_rng(0)
    features = {"size": generator.normal(size=ROWS), "colour": ["red", "blue", "green"] * (ROWS // 3)}
    train = pd.DataFrame({"id": range(ROWS), **features, **target})
    test = pd.DataFrame({"id": range(ROWS, 2 * ROWS), **features})
    return train, test, pd.DataFrame({"id": test["id"], **{name: answer for name in target}})


TWO = ([0, 1] * ROWS)[:ROWS]
FIVE = ([0, 1, 2, 3, 4] * ROWS)[:ROWS]
AMOUNT = np.random.default_rng(1).normal(0, 100, ROWS)
PRICE = np.exp(np.random.default_rng(1).normal(12, 1, ROWS))


@pytest.mark.parametrize(
    ("values", "answer", "task", "metric", "submission"),
    [
        (TWO, 0, "classification", "accuracy", "classes"),
        (TWO, 0.0, "classification", "accuracy", "classes"),
        (TWO, 0.5, "classification", "log_loss", "probabilities"),
        (FIVE, 0, "classification", "accuracy", "classes"),
        (FIVE, 2.5, "regression", "rmse", "values"),
        (["yes", "no"] * (ROWS // 2), "no", "classification", "accuracy", "classes"),
        (["yes", "no"] * (ROWS // 2), 0.5, "classification", "log_loss", "probabilities"),
        (["yes", "no"] * (ROWS // 2), 0, "classification", "log_loss", "probabilities"),
        (["True", "False"] * (ROWS // 2), "False", "classification", "accuracy", "classes"),
        ([True, False] * (ROWS // 2), False, "classification", "accuracy", "classes"),
        ([True, False] * (ROWS // 2), 0, "classification", "accuracy", "classes"),
        (AMOUNT, 0.0, "regression", "rmse", "values"),
        (PRICE, 0.0, "regression", "log_rmse", "values"),
        ([f"${value:,.2f}" for value in PRICE], 0.0, "regression", "log_rmse", "values"),
        (range(ROWS), 0, "regression", "rmse", "values"),
        ([f"a text of its own for row {i}" for i in range(ROWS)], "a text", "translation", "bleu", "values"),
    ],
)
def test_task_metric_and_what_the_submission_wants(values, answer, task, metric, submission):
    found = guess(*tables(answer, y=values))
    assert (found.task["name"], found.metric, found.submission) == (task, metric, submission)
    assert found.columns == {"id": "id", "target": "y"}
    assert found.split["name"] == ("stratified" if task == "classification" else "shuffled")
    assert set(found.why) >= {"columns.id", "columns.target", "task", "metric", "split"}


def test_nothing_but_train_and_test():
    train, test, _ = tables(y=TWO)
    found = guess(train.rename(columns={"id": "user_id"}), test.rename(columns={"id": "user_id"}), None)
    assert found.columns == {"id": "user_id", "target": "y"} and found.submission == "classes"
    found = guess(train.drop(columns="id"), test.drop(columns="id"), None)
    assert found.columns == {"id": None, "target": "y"}
    assert "none found" in found.why["columns.id"]


def test_ids_are_text_and_stand_last():
    train, test, sample = tables(y=AMOUNT)
    for frame in (train, test, sample):
        frame["id"] = [f"row-{i:05d}" for i in frame["id"]]
    assert guess(train[::-1], test[["size", "colour", "id"]], sample).columns == {"id": "id", "target": "y"}


def test_an_id_that_only_the_sample_has():
    train, test, sample = tables(y=TWO)
    found = guess(train.drop(columns="id"), test.drop(columns="id"), sample.rename(columns={"id": "ImageId"}))
    assert found.columns == {"id": None, "target": "y"}


def test_a_sample_with_a_column_a_class():
    train, test, sample = tables(y=["C", "CL", "D"] * (ROWS // 3), other=AMOUNT)
    sample = sample[["id"]].assign(Status_C=0.3, Status_CL=0.3, Status_D=0.4)
    found = guess(train, test, sample)
    assert found.columns == {"id": "id", "target": "y", "drop": ["other"]}
    assert (found.metric, found.submission) == ("log_loss", "probabilities")
    assert "column for each class" in found.why["submission"]


def test_a_target_named_by_the_sample_alone():
    # Of two columns that the test file lacks, the sample says which; the other can be no feature.
    train, test, sample = tables(count=AMOUNT, registered=AMOUNT)
    found = guess(train, test, sample[["id", "count"]])
    assert found.columns == {"id": "id", "target": "count", "drop": ["registered"]}
    # The test file has the target too, empty.
    train, test, sample = tables(count=AMOUNT)
    assert guess(train, test.assign(count=np.nan), sample).columns["target"] == "count"
    # The sample calls it differently.
    assert guess(train, test, sample.rename(columns={"count": "Count"})).columns["target"] == "count"


@pytest.mark.parametrize(
    ("metric", "values", "task", "target", "submission"),
    [
        ("roc_auc", TWO, "classification", None, "probabilities"),
        ("f1", TWO, "classification", None, "classes"),
        ("mae", TWO, "regression", "standardise", "values"),
        ("rmsle", PRICE, "regression", "log1p", "values"),
        ("log_rmse", PRICE, "regression", "log", "values"),
        ("rmsle", FIVE, "regression", "log1p", "values"),
        ("quadratic_weighted_kappa", FIVE, "classification", None, "classes"),
        ("quadratic_weighted_kappa", AMOUNT, "regression", "standardise", "values"),
    ],
)
def test_a_metric_that_is_said_decides(metric, values, task, target, submission):
    found = guess(*tables(0, y=values), metric=metric)
    assert (found.metric, found.task["name"], found.task.get("target"), found.submission) == (
        metric,
        task,
        target,
        submission,
    )
    assert "metric" not in found.why


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"target": "z"}, "--target: no column 'z' in the train file"),
        ({"id": "Id"}, "--id: no column 'Id' in the test file; did you mean 'id'?"),
        ({"metric": "rsme"}, "--metric: no metric 'rsme'; did you mean 'rmse'?"),
        ({"metric": "file"}, "--metric: 'file' needs settings of its own"),
        ({"metric": "perplexity"}, "--metric: 'perplexity' needs settings of its own"),
    ],
)
def test_what_is_said_and_wrong(options, told):
    with pytest.raises(UserError) as error:
        guess(*tables(y=AMOUNT), **options)
    assert str(error.value).startswith(told) and "\n" not in str(error.value)


def test_what_cannot_be_guessed():
    train, test, sample = tables(y=AMOUNT, z=AMOUNT)
    with pytest.raises(
        UserError, match="columns in train and not in test: y, z; give --target y, or --target y,z where several"
    ):
        guess(train, test, None)
    with pytest.raises(UserError, match="the test file has all columns of the training file; give --target, one of id"):
        guess(test, test, None)
    with pytest.raises(UserError, match="'y' is missing in every training row"):
        guess(train.assign(y=np.nan), test, sample, target="y")
    with pytest.raises(UserError, match=r"'y' has 120 different texts in 120 rows, too many for classes"):
        guess(*tables(y=[f"X{i}" for i in range(ROWS)]))
    with pytest.raises(UserError, match="for numbers, and the target 'y' holds 'a'"):
        guess(*tables(y=["a", "b"] * (ROWS // 2)), metric="rmse")


def facts(found, where="train.csv"):
    keep = [found.columns["group"]] if "group" in found.columns else []
    return {"target_kind": tasks.get(found.task["name"]).target_kind, "keep": keep, "where": where}


def described(train, test, sample):
    found = guess(train, test, sample)
    return found, describe(train, test, found, **facts(found))


def test_a_table():
    train, test, sample = tables(y=AMOUNT)
    for frame in (train, test):
        frame["zip_code"] = [10115, 20095, 80331] * (ROWS // 3)
        frame["rooms"] = [1, 2, 3, 4] * (ROWS // 4)
    found, made = described(train, test, sample)
    assert made == {"portfolio": "regression", "rows": ROWS}
    assert found.columns["types"] == {"zip_code": "category"} and "zip_code" in found.why["columns.types"]


def texts(kind: str) -> list[str]:
    return [f"{kind} number {i} said something quite long about {i * i} things" for i in range(ROWS)]


def test_text_is_classified_by_its_words():
    train, test, sample = tables(y=["a", "b"] * (ROWS // 2))
    train, test = (frame.drop(columns="size").assign(said=texts("it")) for frame in (train, test))
    found, made = described(train, test, sample)
    read = {"column": "said", "numbers": {"many": {"above": 256, "how": "native"}}}  # colour stands beside it
    assert made["portfolio"] == "text_classification" and made["columns"]["tokens"] == read
    assert made["columns"]["pretrained_tokens"].items() > read.items()
    assert made["columns"]["tfidf"] == {"columns": ["said"], "characters": [3, 5]}
    assert found.columns["types"] == {"said": "text"} and "and colour" in found.why["features"]
    _, made = described(train.assign(y=AMOUNT), test, sample)
    assert made["portfolio"] == "text_regression" and made["columns"]["tfidf"]["columns"] == ["said"]
    _, made = described(train.drop(columns="colour"), test.drop(columns="colour"), sample)
    assert made["columns"]["tokens"] == {"column": "said"}


def test_text_beside_numbers_is_a_table():
    train, test, sample = tables(y=TWO)
    found, made = described(train.assign(name=texts("Mr")), test.assign(name=texts("Mrs")), sample)
    assert made["portfolio"] == "classification" and "terms of the text in name" in found.why["features"]
    assert made["text"] and made["columns"]["tfidf"] == {"columns": ["name"], "characters": [3, 5]}


def test_one_text_for_another_is_a_translation():
    train, test, sample = tables("x", y=texts("voici"))
    train, test = (frame[["id", *more]].assign(en=texts("here")) for frame, more in ((train, ["y"]), (test, [])))
    found, made = described(train, test, sample)
    assert made["portfolio"] == "translation"
    pairs = made["columns"]["pairs"]
    assert (pairs["source"], pairs["target"], pairs["tokenizer"]["vocabulary_size"]) == ("en", "y", 500)
    assert found.blend == {"name": "consensus"} and found.columns["types"] == {"en": "text"}
    with pytest.raises(UserError, match="no other column is; give --target"):
        described(*tables("x", y=texts("voici")))


SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the competitions are not here")
@pytest.mark.parametrize(
    ("name", "id", "target", "portfolio", "metric", "submission"),
    [
        ("house_prices", "Id", "SalePrice", "regression", "log_rmse", "values"),
        ("titanic", "PassengerId", "Survived", "classification", "accuracy", "classes"),
        ("disaster_tweets", "id", "target", "text_classification", "accuracy", "classes"),
        ("sst2", "id", "label", "text_classification", "accuracy", "classes"),
        ("trec", "id", "label", "text_classification", "accuracy", "classes"),
    ],
)
def test_real_competitions(name, id, target, portfolio, metric, submission):
    from pipeline.sources.tables import read_table

    read = [read_table(SHARED / name / f"{stem}.csv") for stem in ("train", "test", "sample_submission")]
    found, made = described(*read)
    assert (found.columns["id"], found.columns["target"]) == (id, target)
    assert (made["portfolio"], found.metric, found.submission) == (portfolio, metric, submission)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["0", "1", "?"], "needs a target, got '?'"),
        (["1.5", "2.5", "NULL", "3.5", "4.5", "7"], "needs a target, got 'NULL'"),
    ],
)
def test_a_mark_in_the_target_is_told_as_what_it_is(labels, told):
    train, test, _ = tables(y=AMOUNT)
    train["y"] = pd.Series((labels * ROWS)[:ROWS], dtype="str")
    train.loc[5:, "y"] = train["y"][5:].where(~train["y"][5:].isin(["?", "NULL"]), "1")
    with pytest.raises(UserError, match=told):
        guess(train, test, None)


def test_a_column_spelled_in_two_ways_is_told():
    train, test, sample = tables(y=AMOUNT)
    with pytest.raises(UserError, match="the training file has 'size' and the test file 'Size_'; give both one name"):
        guess(train, test.rename(columns={"size": "Size_"}), sample)


def test_an_id_that_the_test_file_lacks_is_told():
    train, test, sample = tables(y=AMOUNT)
    with pytest.raises(UserError, match="names its rows by 'id', which the test file has not"):
        guess(train, test.drop(columns="id"), sample)


def test_ids_that_are_one_number_and_two_texts():
    train, test, _ = tables(y=AMOUNT)
    test["id"] = [2010.1] * len(test)
    texts = pd.Series([f"2010.1{'0' * i}" for i in range(len(test))], dtype="str")
    assert guess(train, test, None, exactly=lambda name: texts).columns["id"] == "id"


def test_a_group_with_missing_values_groups_nothing():
    train, test, sample = tables(y=AMOUNT)
    train["subject"] = pd.Series([f"s{i // 10}" for i in range(len(train))], dtype="str")
    test["subject"] = pd.Series([f"t{i // 10}" for i in range(len(test))], dtype="str")
    assert guess(train, test, sample).columns.get("group") == "subject"
    train.loc[3, "subject"] = None
    assert "group" not in guess(train, test, sample).columns


def test_a_word_among_numbers_makes_no_group_of_them():
    train, test, sample = tables(y=AMOUNT)
    rooms = [str(i % 7) for i in range(ROWS)]
    train["rooms"], test["rooms"] = [*rooms[:-1], "see note"], [i % 7 for i in range(ROWS)]
    assert "group" not in guess(train, test, sample).columns


def test_files_without_a_line_of_column_names_are_told_as_such():
    train, test, sample = (frame.set_axis(map(str, frame.iloc[0]), axis=1) for frame in tables(y=AMOUNT))
    with pytest.raises(UserError, match="no line of column names: add one"):
        guess(train.rename(columns={"0": "1"}), test, sample)


@pytest.mark.parametrize(
    "name",
    (
        *("Id", "id", "ID", "PassengerId", "customerID", "image_id", "row_id", "user.id", "uid", "UID", "id1"),
        *("loanID2", "rowid", "userid", "CUSTOMERID", "tweetid", "pid", "Sample ID"),
    ),
)
def test_usual_names_of_ids_are_found(name):
    train, test, _ = (frame.rename(columns={"id": name}) for frame in tables(y=AMOUNT))
    assert guess(train, test, None).columns["id"] == name
    whole = (frame.astype({name: "float64"}) for frame in (train, test))
    assert guess(*whole, None).columns["id"] == name


def test_an_id_is_found_by_the_sample_whatever_it_is_called():
    frames = [frame.rename(columns={"id": "SK_ID_CURR"}) for frame in tables(y=AMOUNT)]
    assert guess(*frames).columns["id"] == "SK_ID_CURR"


@pytest.mark.parametrize("name", ["fluid", "bid", "paid", "Humid", "GRID", "amount_paid", "covid19", "inner_id"])
def test_a_measured_number_is_no_id_whatever_its_name_ends_with(name):
    train, test, _ = tables(y=AMOUNT)
    train, test = (frame.drop(columns="id").rename(columns={"size": name}) for frame in (train, test))
    assert guess(train, test, None).columns["id"] is None
