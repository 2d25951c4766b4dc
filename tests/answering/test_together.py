"""Translators that search together, through the stages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from words import competition, write_files

from pipeline.answering.final_models import FinalModel
from pipeline.answering.together import joint_frames, predict_together, share
from pipeline.blends import blends
from pipeline.core.files import read_json
from pipeline.core.types import FOLD, Schema
from pipeline.metrics import metrics
from pipeline.training.predictor import Predictor


def declared() -> dict:
    fit = {"epochs": 6, "learning_rate": 0.02, "batch_size": 8}
    model = {"name": "seq2seq", "hidden": 12, "embedding": 8}
    parts = {
        "words-one": {"features": "pairs", "model": model, "fit": fit},
        "words-two": {"features": "pairs", "model": {**model, "cell": "lstm"}, "fit": fit, "seed": 1},
        "words-other": {"features": "letters", "model": model, "fit": {**fit, "epochs": 1}},
    }
    pairs = competition()["features"]["pairs"]
    features = {"pairs": pairs, "letters": {**pairs, "tokenizer": "characters"}}
    models = {name: {"competition": "words", **part} for name, part in parts.items()}
    found = competition(features=features, blend="ensemble")
    return {"competitions": {"words": found}, "models": models, "execution": {"executor": "serial"}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("together")
    write_files(root, test_rows=12)
    (root / "params.yaml").write_text(yaml.safe_dump(declared(), sort_keys=False), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("PODIUM_TRACKING", "off")
        from pipeline.stages import check
        from pipeline.stages.project import load_project
        from pipeline.stages.runner import run_stage

        check.write(load_project())
        for stage in ("fetch", "preprocess", "train", "tune", "blend", "retrain", "submit"):
            run_stage(stage, "words", again=False)
    return root


@pytest.fixture
def words(trained, monkeypatch) -> Path:
    monkeypatch.chdir(trained)
    return trained / "data" / "words"


BOTH = ("words-one", "words-two")


def test_each_fold_is_answered_together_by_the_networks_that_did_not_train_on_it(words):
    rows = pd.read_parquet(words / "rows" / "train.parquet")
    schema = Schema.from_json(read_json(words / "schema.json"))
    scores = {"words-other": 99.0, "words-two": 50.0, "words-one": 40.0}  # the best one has nobody beside it
    found = joint_frames("words", schema, rows, np.arange(len(rows)), scores, True, most=4)
    assert list(found) == [("words-two", "words-one")]
    (frame,) = found.values()
    for k in (0, 1):
        members = [Predictor.load(words / "cv" / name / "members" / str(k)) for name in BOTH]
        mine = np.flatnonzero(rows[FOLD] == k)
        told = predict_together(members, rows.iloc[mine].drop(columns="fr").reset_index(drop=True))
        assert frame["prediction"].iloc[mine].tolist() == told["prediction"].tolist()
    assert not share([members[0], Predictor.load(words / "cv" / "words-other" / "members" / "1")])


def test_the_choice_is_in_the_blend_and_the_submission_is_what_they_say_together(words):
    blend = read_json(words / "blend.json")
    assert blend["together"] and blend["weights"] == {"words-one": 0.5, "words-two": 0.5, "words-other": 0.0}
    rows, chrf = pd.read_parquet(words / "rows" / "train.parquet"), metrics.build("chrf", "m")
    singles = [pd.read_parquet(words / "tuned" / name / "predictions.parquet") for name in BOTH]
    schema = Schema.from_json(read_json(words / "schema.json"))
    scores = {"words-one": 1.0, "words-two": 0.0}
    frame = joint_frames("words", schema, rows, np.arange(len(rows)), scores, True, most=2)[BOTH]
    assert chrf.score(rows["fr"], frame) > max(chrf.score(rows["fr"], single) for single in singles)
    finals = [FinalModel.load(words / "final" / name).members[0] for name in BOTH]
    test = pd.read_parquet(words / "rows" / "test.parquet")
    told = predict_together(finals, test)["prediction"].tolist()
    submission = pd.read_csv(words / "submission.csv", keep_default_na=False)
    assert submission["fr"].tolist() == told
    assert told not in [final.predict(test)["prediction"].tolist() for final in finals]


def test_new_rows_are_answered_together_too(words, capsys, monkeypatch, tmp_path):
    raw = pd.read_csv(words.parents[1] / "files" / "test.csv")
    raw.to_csv(tmp_path / "new.csv", index=False)
    arguments = ["predict", "words", "--in", str(tmp_path / "new.csv"), "--out", str(tmp_path / "out.csv")]
    monkeypatch.setattr("sys.argv", ["pipeline", *arguments])
    from pipeline.__main__ import main

    try:
        main()
    except SystemExit as error:
        assert not error.code
    assert pd.read_csv(tmp_path / "out.csv")["fr"].tolist() == pd.read_csv(words / "submission.csv")["fr"].tolist()


def test_with_one_model_or_none_that_share_it_is_the_best():
    blend = blends.build({"name": "ensemble", "most": 2}, "b")
    assert blend.together == 2 and blends.build("best", "b").together == 0
