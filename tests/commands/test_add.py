"""``add``: what it writes, what it leaves alone, and what it refuses."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipeline.commands import gallery
from pipeline.commands.add import run
from pipeline.commands.insert import insert
from pipeline.core.config import load_config
from pipeline.core.errors import UserError
from pipeline.core.params import parse_params
from pipeline.sources.datasets import datasets
from pipeline.stages.project import shelves

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
TRAIN = "id,colour,size,y\n" + "".join(f"{i},{'red' if i % 3 else 'blue'},{i * 7 % 11}.5,{i % 2}\n" for i in range(90))
TEST = "id,colour,size\n" + "".join(f"{i},red,{i % 5}.5\n" for i in range(90, 120))
SAMPLE = "id,y\n" + "".join(f"{i},0\n" for i in range(90, 120))


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files").mkdir()
    for name, text in (("train", TRAIN), ("test", TEST), ("sample_submission", SAMPLE)):
        (tmp_path / "files" / f"{name}.csv").write_text(text)
    return tmp_path


def add(name, source=None, target=None, id=None, metric=None, minutes=None):
    run(name, source=source, target=target, id=id, metric=metric, minutes=minutes)
    return load_config(shelves())


def written(project) -> dict:
    return yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))


def test_own_files(project, capsys):
    config = add("toy", "files")
    competition = config.competition("toy")
    assert (competition.columns.id, competition.columns.target) == ("id", "y")
    assert (competition.task.name, competition.metric.name, competition.split.name) == (
        "classification",
        "accuracy",
        "stratified",
    )
    assert competition.submission.format == "classes" and competition.source.path == "files"
    assert {model.features for model in config.models_of("toy")} == set(competition.features)
    # What was guessed is said, and kept beside the settings.
    said = capsys.readouterr().out
    for key, why in written(project)["competitions"]["toy"]["guessed"].items():
        assert key in said and why in said
    assert "guessed columns.target = y: in train and sample submission, not in test" in said
    assert not (project / "data").exists()


def test_what_is_said_is_not_guessed(project):
    competition = add("toy", "files", target="size", id="id", metric="mae").competition("toy")
    assert (competition.columns.target, competition.metric.name, competition.task.name) == ("size", "mae", "regression")
    assert not {"columns.id", "columns.target", "metric"} & set(competition.raw["guessed"])


@pytest.mark.parametrize("minutes", [float("nan"), float("inf")])
def test_minutes_without_an_end_are_refused(project, minutes):
    with pytest.raises(UserError, match="--minutes: needs a number of minutes"):
        add("digits", minutes=minutes)
    assert not (project / "params.yaml").exists()


def test_a_zip_and_marks_of_missing_values(project, capsys):
    text = TRAIN.replace("\n7,red,5.5", "\n7,red,?").replace("\n8,red,1.5", "\n8,red,?")
    with zipfile.ZipFile(project / "all.zip", "w") as archive:
        for name, content in (("train.csv", text), ("test.csv", TEST), ("sample_submission.csv", SAMPLE)):
            archive.writestr(f"toy/{name}", content)
    competition = add("toy", "all.zip").competition("toy")
    assert text.count("?") == 2
    assert competition.source.missing == ("", "NA")  # as everywhere: a '?' among words would be a level
    assert "'?' taken for missing" in capsys.readouterr().out


def test_a_lone_table_is_the_training_file(project, capsys):
    (project / "files" / "test.csv").unlink()
    (project / "files" / "sample_submission.csv").unlink()
    (project / "files" / "train.csv").unlink()
    (project / "files" / "sales.csv").write_text(TRAIN.replace("size,y", "size,sold"))
    with pytest.raises(UserError, match=r"it holds sales.csv; name the training file .* to `add` as --from"):
        add("toy", "files")
    with pytest.raises(UserError, match="without a test file; give --target, one of colour, size, sold"):
        add("toy", "files/sales.csv")
    source = add("toy", "files/sales.csv", target="sold").competition("toy").source
    assert (source.path, source.train) == ("files", "sales.csv")
    assert "now: dvc repro report@toy" in capsys.readouterr().out


@pytest.mark.parametrize("answers", ["all", "none", "some", "placeholders"])
def test_a_test_file_with_every_answer_is_the_solution(project, capsys, answers):
    cell = {
        "all": lambda i: i % 2,
        "none": lambda i: "",
        "some": lambda i: "" if i < 99 else 1,
        "placeholders": lambda i: 0,
    }
    rows = [f"{i},red,{i % 5}.5,{cell[answers](i)}\n" for i in range(90, 120)]
    (project / "files" / "test.csv").write_text("id,colour,size,y\n" + "".join(rows))
    (project / "files" / "sample_submission.csv").unlink()
    with pytest.raises(UserError, match="the test file has all columns of the training file; give --target, one of"):
        add("toy", "files")
    source = add("toy", "files", target="y").competition("toy").source
    assert source.solution == ("test.csv" if answers == "all" else None)
    assert ("scores are told by it" in capsys.readouterr().out) == (answers == "all")


@pytest.mark.parametrize("name", gallery.names())
def test_every_gallery_entry_checks_without_fault(project, name):
    needs_files = gallery.entry(name)["competition"]["source"]["name"] == "files"
    if needs_files:
        with pytest.raises(UserError, match="needs its files: --from DIR or --from kaggle:SLUG"):
            add(name)
    config = add(name, "files" if needs_files else None)
    assert config.models_of(name)


@pytest.mark.parametrize(
    ("dataset", "portfolio"),
    [
        ("ames", "regression"),
        ("titanic", "classification"),
        ("adult", "classification"),
        ("digits", "image_classification"),
        ("emoji_languages", "text_classification"),
        ("french_interface", "translation"),
    ],
)
def test_a_package_dataset_written_out_as_files(project, dataset, portfolio):
    (project / dataset).mkdir()
    datasets.get(dataset)().build().write(project / dataset, "NA")
    config = add("own", dataset)
    known = parse_params((gallery.FOLDER / "portfolios" / f"{portfolio}.yaml").read_text())
    assert {model.name.removeprefix("own-") for model in config.models_of("own")} <= set(known["models"])
    assert set(config.competition("own").features) <= {*known["features"], gallery.PLAIN}
    if portfolio == "translation":
        pairs = config.competition("own").features["pairs"]
        assert (pairs.source, pairs.target) == ("en", "fr")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the competitions are not here")
@pytest.mark.parametrize("name", ["house_prices", "titanic"])
def test_real_kaggle_files_under_a_name_of_the_gallery(project, name):
    # Titanic's files from Kaggle have other columns than the edition in the gallery.
    config = add(name, str(SHARED / name))
    columns = config.competition(name).columns
    assert (columns.id, columns.target) == {
        "house_prices": ("Id", "SalePrice"),
        "titanic": ("PassengerId", "Survived"),
    }[name]
    assert config.competition(name).source.name == "files"


@pytest.mark.parametrize("minutes", [None, 5])
@pytest.mark.parametrize(("words", "tried"), [("{} Street", True), ("a house in {} Street by the river", False)])
def test_trees_are_searched_without_columns_of_names(project, words, tried, minutes):
    for name in ("train", "test"):
        table = pd.read_csv(project / "files" / f"{name}.csv")
        table["address"] = [words.format(f"{'abcdefghij'[i % 10]}{i}") for i in range(len(table))]
        table.to_csv(project / "files" / f"{name}.csv", index=False)
    config = add("toy", str(project / "files"), minutes=minutes)
    models = [model for model in config.models_of("toy") if model.features in ("trees", "plain") and model.tune]
    assert len(models) > 1
    for model in models:
        assert model.features == "trees"
        assert model.tune.space.get("features") == ({"choice": ["trees", "plain"]} if tried else None)
        assert ({"features": "plain"} in model.tune.first) == tried
        assert model.tune.trials > 1 + len(model.tune.first)
    trees, plain = (config.competition("toy").features.get(key) for key in ("trees", "plain"))
    assert trees.texts.columns == ("address",)
    assert (plain is not None) == tried and (plain is None or not plain.texts)


# Refused, with params.yaml as it was


@pytest.mark.parametrize(
    ("options", "files", "told"),
    [
        ({"name": "tyo"}, {}, "no gallery entry 'tyo'"),
        ({"name": "titanci"}, {}, "did you mean 'titanic'"),
        ({"name": "../x", "source": "files"}, {}, "a name is lower-case letters"),
        ({"name": "toy", "source": "nowhere"}, {}, "--from: no file or folder 'nowhere'"),
        ({"name": "toy", "source": "kaggle:../x"}, {}, "--from.competition: "),
        ({"name": "ames", "target": "y"}, {}, "'ames' of the gallery has its own target and id; give --from"),
        ({"name": "toy", "source": "files", "target": "z"}, {}, "--target: no column 'z'"),
        ({"name": "toy", "source": "files", "id": "z"}, {}, "--id: no column 'z'"),
        ({"name": "toy", "source": "files", "metric": "acuracy"}, {}, "--metric: no metric 'acuracy'; did you mean"),
        ({"name": "toy", "source": "files"}, {"train": None}, "no train file"),
        ({"name": "toy", "source": "files"}, {"train": TRAIN.replace(",0\n", ",\n")}, "'y', row 2: needs a target"),
    ],
)
def test_refused(project, options, files, told):
    for name, text in files.items():
        path = project / "files" / f"{name}.csv"
        path.unlink() if text is None else path.write_text(text)
    before = "# mine\ncompetitions:\nmodels:\n"
    (project / "params.yaml").write_text(before)
    with pytest.raises(UserError) as error:
        add(**options)
    assert told in str(error.value) and "\n" not in str(error.value)
    assert (project / "params.yaml").read_text() == before


def test_twice(project):
    add("toy", "files")
    before = (project / "params.yaml").read_bytes()
    with pytest.raises(UserError, match="has a competition 'toy' already; take it out or choose another name"):
        add("toy", "files")
    assert (project / "params.yaml").read_bytes() == before
    text = "models:\n  titanic-lightgbm: {}\n"
    with pytest.raises(UserError, match=r"has 'models\.titanic-lightgbm' already"):
        insert(text, {"models": {"titanic-lightgbm": {"a": 1}}})


def test_a_fault_that_was_there_before_is_told(project):
    add("toy", "files")
    text = (project / "params.yaml").read_text().replace("metric: accuracy", "metric: acuracy")
    (project / "params.yaml").write_text(text)
    with pytest.raises(UserError, match="did you mean 'accuracy'"):
        add("digits")
    assert (project / "params.yaml").read_text() == text


@pytest.mark.skipif(importlib.util.find_spec("kaggle") is None, reason="the client is an extra")
def test_from_kaggle(project, monkeypatch):
    """The real client against a server on loopback; the same guess as from a folder."""
    from http.server import BaseHTTPRequestHandler, HTTPServer

    with zipfile.ZipFile(project / "all.zip", "w") as archive:
        for file in (project / "files").iterdir():
            archive.write(file, file.name)
    content = (project / "all.zip").read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(302)
            self.send_header("Location", "http://localhost/files.zip")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT")
            self.end_headers()
            self.wfile.write(content)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "add", "toy", "--from", "kaggle:toy-cup"],
        env={
            **environment,
            "PYTHONPATH": str(ROOT),
            "HOME": str(project),
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "KAGGLE_USERNAME": "somebody",
            "KAGGLE_KEY": "canary-6b1d",
            "http_proxy": address,
            "https_proxy": address,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    server.shutdown()
    assert done.returncode == 0, done.stderr
    from_kaggle = written(project)["competitions"]["toy"]
    assert from_kaggle["source"] == {"name": "kaggle", "competition": "toy-cup"}
    assert (project / ".podium" / "downloads" / "toy-cup" / "files" / "train.csv").read_text() == TRAIN
    assert "canary-6b1d" not in done.stdout + done.stderr + (project / "params.yaml").read_text()
    (project / "params.yaml").unlink()
    add("toy", "files")
    assert {**written(project)["competitions"]["toy"], "source": None} == {**from_kaggle, "source": None}


PAIRS = [f"one {word} dog {i}\tein {word} Hund {i}" for word in ("big", "red", "old", "new") for i in range(12)]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "train.txt",
            "".join(f"{pair}\tCC-BY 2.0\n" for pair in PAIRS),
            "--target: no column 'de'; train.txt is plain text, which has no columns; its lines have 3 values with tabs"
            " between: name it train.tsv and write a line of 3 column names above them",
        ),
        ("train.txt", "one big dog\n" * 40, "leave --target out, and a language model learns the text"),
        (
            "train.tsv",
            "".join(f"{pair}\n" for pair in PAIRS),
            "--target: no column 'de' in the train file; known: ein big Hund 0, one big dog 0; or the files have no "
            "line of column names: add one",
        ),
        ("train.tsv", "en\tde\n" + "".join(f"{pair}\r and\n" for pair in PAIRS), "train.tsv line 3: 1 values"),
        (
            "train.tsv",
            "en\tde\n" + "".join(f"{i} {pair} {i}\n" for i, pair in enumerate(PAIRS)) + "Namibia\tNA\n",
            "column 'de', row 50: needs a target, got 'NA', which source.missing names as missing; give it or take the "
            "row out; where it is a text, set source.missing to ['']",
        ),
    ],
    ids=["tabs", "prose", "no names", "lone return", "missing"],
)
def test_pairs_in_a_file_are_refused_with_what_to_do(tmp_path, monkeypatch, name, text, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / name).write_text(text, newline="")
    with pytest.raises(UserError) as error:
        add("toy", "files", target="de")
    assert told in str(error.value) and "/tmp" not in str(error.value) and "\n" not in str(error.value)
