"""The same images in every format that competitions have: added, read to the same rows, through all stages."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from projects import ROOT

from pipeline.commands import add, look
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.core.types import Schema
from pipeline.images.rows import read_rows
from pipeline.stages.project import load_project
from pipeline.stages.snapshot import contents
from pipeline.tracking import journal
from pipeline.training.data import Rows
from pipeline.training.pseudo_rows import PSEUDO

COUNT, SIDE = 60, 12
RANDOM = np.random.default_rng(0)
LABELS = np.arange(COUNT + 12) % 3
IMAGES = RANDOM.integers(0, 60, (COUNT + 12, SIDE, SIDE)).astype(np.uint8)
for number, label in enumerate(LABELS):  # a bright bar on the left, in the middle, on the right
    IMAGES[number, 2:10, 4 * label : 4 * label + 3] += 150
TRAIN, TEST = IMAGES[:COUNT], IMAGES[COUNT:]


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def as_npz(folder: Path) -> None:
    np.savez(folder / "train.npz", images=TRAIN, labels=LABELS[:COUNT])
    np.savez_compressed(folder / "test.npz", images=TEST)


def as_idx(folder: Path) -> None:
    for name, body in (("train", TRAIN), ("t10k", TEST)):
        labels = LABELS[:COUNT] if name == "train" else LABELS[COUNT:]
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(body)))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(idx(labels.astype(np.uint8)))


def as_columns(folder: Path) -> None:
    names = [f"pixel{i}" for i in range(SIDE * SIDE)]
    table = pd.DataFrame(TRAIN.reshape(COUNT, -1), columns=names)
    table.insert(0, "label", LABELS[:COUNT])
    table.to_csv(folder / "train.csv", index=False)
    pd.DataFrame(TEST.reshape(12, -1), columns=names).to_csv(folder / "test.csv", index=False)


def as_files(folder: Path) -> None:
    """Names without their ending, test rows in the sample submission alone."""
    for role, images in (("train", TRAIN), ("test", TEST)):
        (folder / role).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(folder / role / f"{i:03}.png")
    names = [f"{i:03}" for i in range(COUNT)]
    pd.DataFrame({"image": names, "label": LABELS[:COUNT]}).to_csv(folder / "train.csv", index=False)
    pd.DataFrame({"image": names[:12], "label": 0}).to_csv(folder / "sample_submission.csv", index=False)


def as_classes(folder: Path) -> None:
    for i, image in enumerate(TRAIN):
        (folder / "train" / str(LABELS[i])).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "train" / str(LABELS[i]) / f"{i:03}.png")
    (folder / "test").mkdir()
    for i, image in enumerate(TEST):
        Image.fromarray(image).save(folder / "test" / f"{i:03}.png")


FORMATS = {"npz": as_npz, "idx": as_idx, "columns": as_columns, "files": as_files, "classes": as_classes}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_rows(kind, bench, added):
    declared = added(FORMATS[kind])["competitions"]["toy"]
    assert declared["task"]["name"] == "classification" and declared["features"] == {"image": {"name": "image"}}
    bench.through("fetch", "preprocess")
    place = bench.root / "data" / "toy"
    schema = Schema.from_json(read_json(place / "schema.json"))
    (name,) = schema.images
    assert schema.images[name]["size"] == [SIDE, SIDE] and [column.kind for column in schema.columns] == ["image"]
    if kind == "classes":  # folder by folder a row's place would tell its class
        files = pd.read_csv(place / "raw" / "train.csv")["file"]
        order = files.str.extract(r"/(\d+)", expand=False).astype(int).to_numpy()
        assert sorted(order) == list(range(COUNT)) and abs(np.corrcoef(np.arange(COUNT), LABELS[order])[0, 1]) < 0.3
    else:
        order = np.arange(COUNT)
    for role, expected in (("train", TRAIN[order]), ("test", TEST)):
        rows = read_rows(place / "rows" / f"{role}.parquet", schema)
        np.testing.assert_array_equal(rows[name].array.stored.read()[..., 0], expected)
        assert (place / "rows" / f"{name}-{role}.npy").stat().st_size == expected.size + 128
    target = read_rows(place / "rows" / "train.parquet", schema)[schema.target]
    assert target.astype(int).tolist() == LABELS[:COUNT][order].tolist()
    if kind == "idx":  # labels of test images are answers, not inputs
        solution = pd.read_csv(place / "raw" / "solution.csv")
        assert solution["labels"].tolist() == LABELS[COUNT:].tolist()
    encoders = [read_json(path) for path in sorted((place / "features" / "image").glob("fold-*.json"))]
    assert len({state["mean"][0] for state in encoders}) == len(encoders)  # each of its own training rows


@pytest.mark.parametrize("kind", ["files", "classes"])
def test_folders_of_a_download_are_found_too(kind, bench):
    """As Kaggle's archive was unpacked; it is taken from there ever after."""
    folder = bench.root / ".podium" / "downloads" / "bars" / "files"
    folder.mkdir(parents=True)
    FORMATS[kind](folder)
    add.run("toy", source="kaggle:bars", target=None, id=None, metric=None, minutes=None)
    declared = yaml.safe_load((bench.root / "params.yaml").read_text())["competitions"]["toy"]
    images = {"train": "train", "test": "test"}
    assert declared["source"] == {"name": "kaggle", "competition": "bars", "images": images}
    bench.through("fetch", "preprocess")
    place = bench.root / "data" / "toy"
    schema = Schema.from_json(read_json(place / "schema.json"))
    (name,) = schema.images
    rows = read_rows(place / "rows" / "test.parquet", schema)
    np.testing.assert_array_equal(rows[name].array.stored.read()[..., 0], TEST)


def test_two_images_a_row_are_channels_of_one(bench, undrawn):
    """Which of two is brighter can be told by neither alone."""
    light = np.random.default_rng(1).permutation(np.arange(2 * (COUNT + 12)) * 3 // 2).reshape(-1, 2)  # to 215
    pairs = (np.stack([IMAGES] * 2, axis=1) // 6 + light[:, :, None, None]).astype(np.uint8)  # [rows, 2, side, side]
    files = bench.root / "files"
    bench.write()
    for file in files.iterdir():
        file.unlink()
    answers = (light[:, 0] > light[:, 1]).astype(int)
    np.savez(files / "train.npz", left=pairs[:COUNT, 0], right=pairs[:COUNT, 1], labels=answers[:COUNT])
    np.savez(files / "test.npz", left=pairs[COUNT:, 0], right=pairs[COUNT:, 1])
    competition = {
        **bench.competition,
        "columns": {"id": "id", "target": "labels", "images": {"left": {}, "right": {}}},
        "task": "classification",
        "metric": "accuracy",
        "features": {"both": {"name": "image", "columns": ["left", "right"]}},
        "submission": "classes",
    }
    fit = {"epochs": 12, "learning_rate": 0.02, "batch_size": 8, "augmentation": ["flip"]}
    model = {"name": "lenet", "channels": [4, 4], "hidden": [8], "activation": "relu", "normalization": "batch"}
    models = {"toy-lenet": {"competition": "toy", "features": "both", "model": model, "fit": fit}}
    params = {"competitions": {"toy": competition}, "models": models, "execution": {"executor": "serial"}}
    (bench.root / "params.yaml").write_text(yaml.safe_dump(params))
    bench.through()
    data = Rows(load_project().competition("toy")).data("both")
    np.testing.assert_array_equal(data.fold(None).train["image"].read(), pairs[:COUNT].transpose(0, 2, 3, 1))
    assert data.spec.shapes["image"] == (2, SIDE, SIDE)
    told = pd.read_csv(bench.root / "data" / "toy" / "submission.csv")
    assert (told["labels"] == answers[COUNT:]).mean() > 0.8
    np.savez(files / "new.npz", left=pairs[COUNT:][:4, 0], right=pairs[COUNT:][:4, 1])  # beside a test.npz of more
    assert bench.run("predict", "toy", "--in", "files/new.npz", "--out", "out.csv") == (0, [])
    new = pd.read_csv(bench.root / "out.csv")
    assert new["id"].tolist() == [1, 2, 3, 4] and new["labels"].tolist() == told["labels"][:4].tolist()


def test_files_go_through_all_stages_and_new_ones_are_answered(bench, added, capsys):
    declared = added(as_files)
    model = declared["models"]["toy-lenet"]
    declared["models"] = {"toy-lenet": {**model, "fit": {"epochs": 4, "batch_size": 8, "learning_rate": 0.01}}}
    (bench.root / "params.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))
    bench.monkeypatch.setenv("PODIUM_TRACKING", "later")
    bench.through()
    journals = sorted((bench.root / ".podium" / "outbox").glob("*.jsonl"))
    drawn = {
        record["figure"]: record["data"]
        for file in journals
        for record in journal.read_lines(file, 0, 1 << 30)[0]
        if record["kind"] == "figure"
    }
    assert {"confusion", "saliency", "maps", "filters"} <= set(drawn)
    assert np.shape(drawn["filters"]["filters"])[1:] == (1, 5, 5)
    assert [np.shape(layer["maps"]) for layer in drawn["maps"]["layers"]] == [(8, 12, 12), (8, 2, 2)]
    assert any(np.array_equal(drawn["maps"]["image"], image[..., None]) for image in TRAIN)
    submission = pd.read_csv(bench.root / "data" / "toy" / "submission.csv", dtype=str)
    assert submission["image"].tolist() == [f"{i:03}" for i in range(12)]
    assert (submission["label"].astype(int) == LABELS[COUNT:]).mean() > 0.9
    new = bench.root / "new"
    (new / "some").mkdir(parents=True)
    for i in range(12):
        Image.fromarray(TEST[i]).convert("RGB").save(new / "some" / f"{i:03}.png")
    pd.DataFrame({"image": [f"some/{i:03}.png" for i in range(12)]}).to_csv(new / "rows.csv", index=False)
    for given in ("new/rows.csv", "new/some"):
        assert bench.run("predict", "toy", "--in", given, "--out", "out.csv") == (0, [])
        answers = pd.read_csv(bench.root / "out.csv", dtype=str)
        assert answers["label"].tolist() == submission["label"].tolist()
    assert answers["image"][3] == "003.png"
    (new / "some" / "000.png").write_bytes(b"")
    code, lines = bench.run("predict", "toy", "--in", "new/some", "--out", "out.csv")
    assert code == 2 and "some: a fault in the images: '000.png' is empty" in lines[0]


def test_rows_that_validate_and_rows_from_elsewhere_bring_their_images(bench, added):
    def make(folder: Path) -> None:
        as_npz(folder)
        np.savez(folder / "valid.npz", images=TEST, labels=LABELS[COUNT:])

    declared = added(make)
    assert declared["competitions"]["toy"]["split"] == {"name": "holdout", "rows": "valid"}
    said = bench.through("fetch", "preprocess")
    assert not any("flatters" in line for line in said)  # no image of the one file is in the other
    place = bench.root / "data" / "toy"
    rows = read_rows(place / "rows" / "train.parquet", Schema.from_json(read_json(place / "schema.json")))
    np.testing.assert_array_equal(rows["image"].array.stored.read()[..., 0], IMAGES)
    assert rows["__fold__"].tolist() == [-1] * COUNT + [0] * 12
    assert sorted(path.name for path in (place / "rows").glob("*.npy")) == ["image-test.npy", "image-train.npy"]


def test_numbers_are_learned_from_images_and_from_those_of_test_rows(bench, added):
    """How bright the bar is; a second model takes the first one's answers for test rows besides."""

    def make(folder: Path) -> None:
        bright = RANDOM.integers(0, 200, COUNT)
        images = TRAIN.copy()
        images[:, :2] = bright[:, None, None]
        np.savez(folder / "train.npz", images=images, labels=bright / 7)
        np.savez(folder / "test.npz", images=images[:12])

    declared = added(make)
    assert declared["competitions"]["toy"]["task"] == {"name": "regression", "target": "standardise"}
    fit = {"epochs": 2, "batch_size": 16}
    model = {**declared["models"]["toy-lenet"], "fit": fit}
    declared["models"] = {"toy-lenet": model, "toy-again": {**model, "fit": {**fit, "pseudo": {"models": "blend"}}}}
    (bench.root / "params.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))
    bench.through("fetch", "preprocess", "train")
    rows = Rows(load_project().competition("toy"))
    rows.pseudo = {"toy-again": bench.root / "data" / "toy" / "cv" / "toy-again" / PSEUDO}
    images = rows.of(load_project().model("toy-again")).fold(0).train["image"]
    assert len(images.parts) == 2 and len(images) > 12  # of the training rows' file and of the test rows'
    test = read_rows(bench.root / "data" / "toy" / "rows" / "test.parquet", rows.schema)["image"].array.stored
    np.testing.assert_array_equal(images[len(images) - 12 :].read(), test.read())


def test_an_image_that_changes_in_place_is_fetched_again(bench, added):
    added(as_files)
    before = contents(load_project(), "toy", "fetch")["files"]
    assert set(before) == {"train.csv", "sample_submission.csv", "train/", "test/"}
    Image.fromarray(TEST[0]).save(bench.root / "in" / "train" / "000.png")
    after = contents(load_project(), "toy", "fetch")["files"]
    assert {name for name in before if before[name] != after[name]} == {"train/"}
    (bench.root / "in" / "test" / "000.png").rename(bench.root / "in" / "test" / "zero.png")
    assert contents(load_project(), "toy", "fetch")["files"]["test/"] != after["test/"]


def test_a_link_that_leads_out_of_the_folder_is_not_brought(bench, added):
    def make(folder: Path) -> None:
        as_files(folder)
        (folder / "train" / "000.png").rename(bench.root / "elsewhere.png")
        (folder / "train" / "000.png").symlink_to(bench.root / "elsewhere.png")

    with pytest.raises(UserError, match=r"in/train/000\.png: a link that leads out of its folder; copy the file there"):
        added(make)


def test_one_class_is_told(bench, added):
    def make(folder: Path) -> None:
        (folder / "train" / "cat").mkdir(parents=True)
        Image.fromarray(TRAIN[0]).save(folder / "train" / "cat" / "0.png")

    with pytest.raises(UserError, match="needs two classes at least, got only 'cat'"):
        added(make, target="label")


@pytest.mark.parametrize(("side", "colour", "views"), [(16, False, {"shift": 1}), (12, False, None), (16, True, None)])
def test_grey_images_that_are_not_coarse_are_answered_moved_by_a_pixel_as_well(side, colour, views, bench, added):
    def make(folder: Path) -> None:
        images = np.random.default_rng(0).integers(0, 256, (COUNT, side, side, *[3] * colour), np.uint8)
        np.savez(folder / "train.npz", images=images, labels=LABELS[:COUNT])
        np.savez(folder / "test.npz", images=images)

    fits = [model["fit"] for model in added(make)["models"].values()]
    assert fits and all(fit.get("test_time") == views for fit in fits)


def test_look_shows_images_and_what_augmentation_makes_of_them(bench, added, capsys):
    added(as_npz)
    capsys.readouterr()
    look.run("toy", 3, bench.root / "look.png")
    told = capsys.readouterr().out
    assert "look.png: 24 images" in told  # six, and each in three epochs
    assert "image: uint8, 12 x 12 x 1 a row; mean " in told
    assert next(line for line in told.splitlines() if line.startswith("  image ") and "12 x 12 x 1" in line)
    assert Image.open(bench.root / "look.png").width > 500
    with pytest.raises(UserError, match=r"is written as \.png"):
        look.run("toy", 3, bench.root / "look.html")


def test_columns_beside_the_image_are_read_with_it(bench, added, undrawn):
    def make(folder: Path) -> None:
        as_files(folder)
        train = pd.read_csv(folder / "train.csv", dtype=str)
        beside = {"age": range(COUNT), "label": told, "place": ["here", "there"] * (COUNT // 2)}
        train.assign(**beside).to_csv(folder / "train.csv", index=False)
        test = pd.DataFrame({"image": [f"{i:03}" for i in range(12)], "age": [5, 55] * 6, "place": ["here"] * 12})
        test.to_csv(folder / "test.csv", index=False)

    told = (np.arange(COUNT) >= COUNT // 2).astype(int)  # by the age alone, whatever the image shows
    declared = added(make)
    assert declared["competitions"]["toy"]["features"]["image"]["numbers"]["categories"] == "native"
    fit = {"epochs": 12, "batch_size": 8, "learning_rate": 0.01}
    declared["models"] = {"toy-lenet": {**declared["models"]["toy-lenet"], "fit": fit}}
    (bench.root / "params.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))
    bench.through()
    answers = pd.read_csv(bench.root / "data" / "toy" / "submission.csv", dtype=str)
    assert (answers["label"].astype(int) == [0, 1] * 6).mean() > 0.8
    rows = pd.read_csv(bench.root / "in" / "test.csv", dtype={"image": str})
    rows[::-1].to_csv(bench.root / "in" / "test" / "new.csv", index=False)
    assert bench.run("predict", "toy", "--in", "in/test/new.csv", "--out", "out.csv") == (0, [])
    again = pd.read_csv(bench.root / "out.csv", dtype=str)
    assert again["label"].tolist() == answers["label"].tolist()[::-1]


def test_large_images_of_several_sizes_are_brought_to_one_and_it_is_said(bench, added, capsys):
    def make(folder: Path) -> None:
        as_files(folder)
        for path in sorted(folder.rglob("*.png")):
            wide = int(path.stem) % 2
            Image.open(path).convert("RGB").resize((90 + 60 * wide, 120)).save(path)

    declared = added(make)["competitions"]["toy"]["columns"]["images"]["picture"]
    assert declared == {"files": "image", "size": [64, 64], "colour": "grey", "fit": "pad"}
    told = " ".join(capsys.readouterr().out.split())
    assert "of 120 x 90 pixels to 120 x 150 pixels, brought to 64 x 64 pixels with black around, grey" in told


CASES = ROOT.parent / "shared" / "cases"


@pytest.mark.skipif(not (CASES / "images_odd").is_dir(), reason="the cases are not here")
def test_cases_of_odd_and_broken_files(bench, capsys):
    for name in ("images_odd", "images_broken"):
        shutil.copytree(CASES / name, bench.root / name)
    asked = {"target": None, "id": None, "metric": None, "minutes": None}
    add.run("odd", source="images_odd", **asked)
    assert re.search(r"picture +image", capsys.readouterr().out)
    with pytest.raises(
        UserError, match=r"^train\.csv: 5 faults in the images: .*'093\.png' has no file.*'not_labelled"
    ):
        add.run("broken", source="images_broken", **asked)
