from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("transformers")

from encoders import minilm, tiny_encoder

from pipeline.core.code import code_digest, code_files, read_again
from pipeline.core.errors import UserError
from pipeline.core.registry import build_settings
from pipeline.core.types import Column, FitJob, Schema
from pipeline.features import features
from pipeline.models import models
from pipeline.tasks import tasks
from pipeline.text.pretrained import files_of
from pipeline.training import learners
from pipeline.training.predictor import Predictor

GOOD, BAD = ["a lovely film", "warm , funny and wise", "I loved it"], ["a dull mess", "cold and boring", "I hated it"]
SCHEMA = Schema(
    "id", "class", (Column("text", "text"), Column("age", "number")), classes=("bad", "good"), target_kind="class"
)


def table(texts: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"text": pd.Series(texts, dtype="str"), "age": np.arange(len(texts), dtype=float)})


def fitted(texts: list[str], encoder=None, **settings):
    made = features.build({"name": "pretrained", "encoder": str(encoder or minilm()), **settings}, "features")
    return made.fit(table(texts), SCHEMA, seed=0)


def vectors(texts: list[str], encoder=None, **settings) -> np.ndarray:
    return fitted(texts, encoder, **settings).encode(table(texts))["numbers"]


@pytest.fixture
def tiny(tmp_path):
    return shutil.copytree(tiny_encoder(), tmp_path / "tiny")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


LONG = "an " + "endlessly winding " * 200 + "tale"


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_vectors_are_those_of_transformers_own(pooling):
    import torch
    from transformers import AutoModel, AutoTokenizer

    texts = [*GOOD, *BAD, "", "naïve 🦊 — ﬁne", LONG]
    tokenizer, network = AutoTokenizer.from_pretrained(minilm()), AutoModel.from_pretrained(minilm()).eval()
    batch = tokenizer(texts, padding=True, truncation=True, max_length=64, return_tensors="pt")
    with torch.no_grad():
        steps = network(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    expected = (steps * mask).sum(1) / mask.sum(1) if pooling == "mean" else steps[:, 0]
    found = vectors(texts, pooling=pooling, maximum_length=64)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_company_and_order_change_no_bit():
    texts = [*GOOD, *BAD, "short", "a somewhat longer text about nothing in particular , really", LONG]
    found = vectors(texts)
    np.testing.assert_array_equal(vectors(texts[::-1])[::-1], found)
    np.testing.assert_array_equal(vectors(texts, batch_size=2), found)
    np.testing.assert_array_equal(np.concatenate([vectors([text]) for text in texts]), found)


def test_each_distinct_text_is_embedded_once(tiny, tmp_path):
    texts = [f"red fox {i} {i % 7}" for i in range(40)]
    without = vectors(texts, tiny)
    assert not (tmp_path / ".podium").exists()  # no project: nothing is left behind
    (tmp_path / ".podium").mkdir()
    np.testing.assert_array_equal(vectors(texts, tiny), without)

    def written() -> dict[str, int]:
        files = sorted((tmp_path / ".podium" / "embeddings").glob("*/*.safetensors"))
        return {str(file): file.stat().st_mtime_ns for file in files}

    before = written()
    encoder = fitted(texts, tiny)
    np.testing.assert_array_equal(encoder.encode(table(texts[::-1]))["numbers"][::-1], without)
    assert encoder._embeddings._network is None  # its weights were not even read
    assert written() == before
    fitted(texts, tiny).encode(table([*texts, "blue dog"]))
    assert len([path for path, time in written().items() if before.get(path) != time]) == 1
    first = next(iter(before))
    with Path(first).open("r+b") as stream:  # torn
        stream.truncate(20)
    np.testing.assert_array_equal(vectors(texts, tiny), without)


def test_two_processes_share_one_pass(tiny, tmp_path):
    (tmp_path / ".podium").mkdir()
    texts = [f"red fox {'dog ' * (i % 50)}{i}" for i in range(600)]
    code = (
        "import sys, json, pandas as pd; from pipeline.features import features; from pipeline.core.types import *\n"
        "s = Schema(None, 'y', (Column('text', 'text'),))\n"
        f"f = features.build({{'name': 'pretrained', 'encoder': {str(tiny)!r}}}, 'f')\n"
        "rows = pd.DataFrame({'text': json.load(sys.stdin)})\n"
        "print(repr(float(f.fit(rows, s, 0).encode(rows)['numbers'].astype('float64').sum())))"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as other:
        other.stdin.write(json.dumps(texts))
        other.stdin.close()
        mine = fitted(texts, tiny).encode(table(texts))["numbers"].astype("float64").sum()
        assert other.stdout.read().strip() == repr(float(mine))
    assert len(list((tmp_path / ".podium" / "embeddings").glob("*/*.safetensors"))) == 16


def test_longer_texts_are_cut_and_counted_or_refused(tiny):
    texts = ["red fox", "red fox red fox red fox", ""]
    made = features.build({"name": "pretrained", "encoder": str(tiny), "maximum_length": 4}, "features")
    assert made.facts(made.fit(table(texts), SCHEMA, seed=0), table(texts)) == {"tokens": 4 + 8 + 2, "cut": 1}
    np.testing.assert_array_equal(*vectors(["red fox", "red fox dog"], tiny, maximum_length=4))
    with pytest.raises(UserError, match="column 'text', row 3: may have 4 tokens, got 8; raise maximum_length"):
        vectors(texts, tiny, maximum_length=4, longer="refused")


def test_numbers_stand_beside_the_text(tiny):
    encoder = fitted(["red fox", "dog", "cat"], tiny, numbers={})
    found = encoder.encode(table(["red fox", "dog", "cat"]))["numbers"]
    assert found.shape == (3, 17) and encoder.spec.shapes == {"numbers": (17,)}
    assert encoder.spec.names["numbers"][-1] == "age" and encoder.reads == ["text", "age"]
    np.testing.assert_allclose(found[:, -1], [-1.2247, 0, 1.2247], atol=1e-4)


def test_a_saved_model_answers_with_the_folder_gone(tmp_path):
    folder = shutil.copytree(minilm(), tmp_path / "minilm", copy_function=os.link)
    made = features.build({"name": "pretrained", "encoder": "minilm"}, "features")
    rows = table([*GOOD, *BAD]).assign(**{"class": ["good"] * 3 + ["bad"] * 3})
    task, model = tasks.build("classification", "task"), models.build("logistic_regression", "model")
    learner = build_settings(learners.get(model.learner), {}, "fit")
    encoder, target = made.fit(rows, SCHEMA, 0), task.fit_target(rows["class"], SCHEMA)
    spec = replace(encoder.spec, outputs=task.outputs(SCHEMA, encoder.spec))
    train = {**encoder.encode(rows), "target": target.encode(rows["class"])}
    learned = learner.fit(FitJob(model=model, task=task, spec=spec, train=train, valid=None, seed=0))
    predictor = Predictor(SCHEMA, made, encoder, task, target, model, learner, spec, learned)
    for name in ("first", "second"):
        predictor.save(tmp_path / name)
    new = table(["a wise and lovely tale", "boring"])
    before = predictor.predict(new)
    assert list(before["good"] > 0.5) == [True, False]
    carried = [tmp_path / name / "features" / "model.safetensors" for name in ("first", "second")]
    assert carried[0].samefile(carried[1]) and not carried[0].samefile(folder / "model.safetensors")
    shutil.rmtree(folder)
    shutil.rmtree(tmp_path / ".podium")
    pd.testing.assert_frame_equal(Predictor.load(tmp_path / "second").predict(new), before)


def test_what_is_fitted_hangs_on_the_encoders_files(tiny):
    def digest() -> str:
        read_again()
        return code_digest(code_files((), [features.build({"name": "pretrained", "encoder": "tiny"}, "features")]))

    before = digest()
    (tiny / "README.md").write_text("no matter")
    assert digest() == before
    (tiny / "config.json").write_text((tiny / "config.json").read_text() + "\n")
    assert digest() != before


def edit(path, **values) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda at: (at / "model.safetensors").rename(at / "pytorch_model.bin"), "got pytorch_model.bin, a pickle"),
        (lambda at: (at / "model.safetensors").unlink(), "tiny: has no model.safetensors; name the folder"),
        (lambda at: (at / "tokenizer.json").unlink(), "tiny: has no tokenizer.json; write it with transformers"),
        (lambda at: (at / "tokenizer.json").write_text("{}"), "tokenizer.json: no tokenizer ("),
        (lambda at: (at / "config.json").unlink(), "tiny: no config.json; name the folder"),
        (lambda at: (at / "config.json").write_text("{"), "config.json: not valid JSON"),
        (lambda at: edit(at / "config.json", auto_map={"AutoModel": "evil.Model"}), "asks for code of its own"),
        (lambda at: edit(at / "config.json", trust_remote_code=True), "asks for code of its own"),
        (
            lambda at: (at / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["evil.T", null]}}'),
            "its tokenizer_config.json asks for code of its own",
        ),
        (lambda at: edit(at / "config.json", is_encoder_decoder=True), "has an encoder and a decoder"),
        (lambda at: edit(at / "config.json", model_type="mine"), "no encoder that transformers reads"),
        (lambda at: edit(at / "config.json", num_hidden_layers=3), "its weights lack encoder.layer.2"),
        (lambda at: (at / "model.safetensors").write_bytes(b"torn"), "no encoder that transformers reads"),
        (lambda at: shutil.rmtree(at), "no such folder, and the hub did not give"),
    ],
)
def test_a_folder_that_breaks_a_rule_is_refused_in_one_line(tiny, monkeypatch, spoil, told):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tiny / "evil.py").write_text("raise SystemExit('run')")
    spoil(tiny)
    with pytest.raises(UserError) as raised:
        vectors(["red fox"], "tiny/" if not tiny.exists() else "tiny")
    assert told in str(raised.value) and "\n" not in str(raised.value)


def test_longer_texts_than_the_encoder_has_positions_for_are_refused(tiny):
    with pytest.raises(UserError, match="knows 128 positions, got 200"):
        vectors(["red fox"], tiny, maximum_length=200)


def test_weights_in_several_files_are_all_named(tiny):
    from safetensors.torch import load_file, save_file

    whole = load_file(tiny / "model.safetensors")
    before = vectors(["red fox"], tiny)
    names = sorted(whole)
    parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, some in parts.items():
        save_file({name: whole[name] for name in some}, tiny / file, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: file for file, some in parts.items() for name in some}}
    (tiny / "model.safetensors.index.json").write_text(json.dumps(index))
    (tiny / "model.safetensors").unlink()
    assert {file.name for file in files_of(tiny)} >= set(parts)
    np.testing.assert_array_equal(vectors(["red fox"], tiny), before)
    (tiny / "model-2.safetensors").unlink()
    with pytest.raises(UserError, match=r"names model-2.safetensors, which is not there"):
        files_of(tiny)
