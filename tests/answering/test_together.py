"""Translators that search together, through the stages."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import in_process
import numpy as np
import pandas as pd
import pytest
import torch
from words import competition, write_files

from pipeline.answering.final_models import FinalModel
from pipeline.answering.together import joint_frames, predict_together, share
from pipeline.blends import blends
from pipeline.core.files import read_json
from pipeline.core.types import FOLD, LOGS, Schema
from pipeline.decoding.steps import Mixture
from pipeline.diagnosis.evidence import Evidence
from pipeline.metrics import metrics
from pipeline.stages.project import load_project
from pipeline.stages.report import payload
from pipeline.tasks.diagnostics import translated
from pipeline.text.reserved import BOS
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
    return in_process.trained(root, declared(), "submit")


@pytest.fixture
def words(trained, monkeypatch) -> Path:
    monkeypatch.chdir(trained)
    return trained / "data" / "words"


BOTH = ("words-one", "words-two")
CHRF = metrics.build("chrf", "m")


def test_each_fold_is_answered_together_by_the_networks_that_did_not_train_on_it(words):
    rows = pd.read_parquet(words / "rows" / "train.parquet")
    schema = Schema.from_json(read_json(words / "schema.json"))
    scores = {"words-other": 99.0, "words-two": 50.0, "words-one": 40.0}  # the best one has nobody beside it
    alone = {name: pd.read_parquet(words / "cv" / name / "predictions.parquet") for name in scores}
    found = joint_frames("words", schema, rows, np.arange(len(rows)), alone, scores, CHRF, most=4)
    assert list(found) == [("words-two", "words-one")]
    (frame,) = found.values()
    for k in (0, 1):
        members = [Predictor.load(words / "cv" / name / "members" / str(k)) for name in BOTH]
        mine = np.flatnonzero(rows[FOLD] == k)
        told = predict_together(members, rows.iloc[mine].drop(columns="fr").reset_index(drop=True))
        assert frame["prediction"].iloc[mine].tolist() == told["prediction"].tolist()
        # The target's tokens are as probable as the search that they would come of has them.
        encoder = members[0].encoder
        mixture = Mixture([member.fitted.steps() for member in members], [1, 1])
        source, labels = (
            encoder.encode(rows.iloc[mine[:1]])["source"].row(0),
            encoder.encode(rows.iloc[mine[:1]])["labels"],
        )
        state, tokens = mixture.start({"source": torch.from_numpy(source[None].astype("int64"))}), [BOS, *labels.row(0)]
        for before, token, log in zip(tokens, tokens[1:], frame[LOGS].iloc[mine[0]], strict=False):
            logs, state = mixture.step(np.array([before]), state)
            assert logs[0, token] == pytest.approx(log, abs=1e-5)
    assert not share([members[0], Predictor.load(words / "cv" / "words-other" / "members" / "1")])


def test_the_choice_is_in_the_blend_and_the_submission_is_what_they_say_together(words):
    blend = read_json(words / "blend.json")
    assert blend["together"] and blend["weights"] == {"words-one": 0.5, "words-two": 0.5, "words-other": 0.0}
    rows = pd.read_parquet(words / "rows" / "train.parquet")
    singles = {name: pd.read_parquet(words / "tuned" / name / "predictions.parquet") for name in BOTH}
    schema = Schema.from_json(read_json(words / "schema.json"))
    scores = {"words-one": 1.0, "words-two": 0.0}
    frame = joint_frames("words", schema, rows, np.arange(len(rows)), singles, scores, CHRF, most=2)[BOTH]
    assert CHRF.score(rows["fr"], frame) > max(CHRF.score(rows["fr"], single) for single in singles.values())
    finals = [FinalModel.load(words / "final" / name).members[0] for name in BOTH]
    test = pd.read_parquet(words / "rows" / "test.parquet")
    told = predict_together(finals, test)["prediction"].tolist()
    submission = pd.read_csv(words / "submission.csv", keep_default_na=False)
    assert submission["fr"].tolist() == told
    assert told not in [final.predict(test)["prediction"].tolist() for final in finals]


def test_the_report_looks_at_what_they_say_together_and_not_at_what_one_of_them_says(words):
    config = load_project()
    evidence = Evidence(config, "words")
    rows, told = evidence.train, evidence.answered.predictions
    for k in (0, 1):
        members = [Predictor.load(words / "tuned" / name / "members" / str(k)) for name in BOTH]
        mine = rows[FOLD] == k
        asked = rows[mine].drop(columns="fr").reset_index(drop=True)
        said = told["prediction"][mine].tolist()
        assert said == predict_together(members, asked)["prediction"].tolist()
        assert said not in [member.predict(asked)["prediction"].tolist() for member in members]
    shown = payload(config, "words")["answers"]
    assert shown["name"] == "translations" and shown["data"]["lengths"] == translated(rows["fr"], told)["lengths"]


def predicted(commands, root: Path) -> list[str]:
    """The test file's rows as ``predict`` answers them."""
    assert commands("predict", "words", "--in", "files/test.csv", "--out", "out.csv")[0] == 0
    return pd.read_csv(root / "out.csv", keep_default_na=False)["fr"].tolist()


def asked(commands, *more: str) -> tuple[int, str, list[str]]:
    texts = pd.read_csv("files/test.csv")["en"].tolist()
    return commands("translate", "words", *more, stdin="".join(f"{text}\n" for text in texts))


def test_new_rows_are_answered_together_too_and_texts_on_the_command_line(words, trained, commands):
    told = pd.read_csv(words / "submission.csv", keep_default_na=False)["fr"].tolist()
    assert predicted(commands, trained) == told
    assert asked(commands, "--plain") == (0, "".join(f"{text}\n" for text in told), [])
    alone = asked(commands, "--plain", "--model", "words-two")
    assert alone[0] == 0 and alone[1].splitlines() != told


def test_models_apart_are_translated_by_consensus_as_the_submission_is(words, trained, commands, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    path = Path("data/words/blend.json")
    blend = {**read_json(path), "weights": {"words-one": 0.3, "words-two": 0.7, "words-other": 0.0}, "together": False}
    path.unlink()  # which may be linked
    path.write_text(json.dumps(blend))
    told = predicted(commands, tmp_path / "copy")
    assert asked(commands, "--plain")[1].splitlines() == told
    source = pd.read_csv("files/test.csv")["en"][0]
    code, out, warned = commands("translate", "words", source, "--n-best", "3")
    lines = out.splitlines()
    assert (code, warned) == (0, []) and lines[1].split(maxsplit=1)[1] == told[0]
    scores = [float(line.split()[0]) for line in lines[1 : lines.index("")]]
    assert scores == sorted(scores, reverse=True) and 0 < scores[0] <= 1 and "<eos>" in out


def test_with_one_model_or_none_that_share_it_is_the_best():
    blend = blends.build({"name": "ensemble", "most": 2}, "b")
    assert blend.together == 2 and blends.build("best", "b").together == 0
