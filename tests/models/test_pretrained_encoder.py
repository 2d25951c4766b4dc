"""A pretrained encoder that is trained on."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from encoders import KNOWN, minilm, tiny_encoder  # noqa: E402

from pipeline.core.errors import UserError  # noqa: E402
from pipeline.core.registry import build_settings  # noqa: E402
from pipeline.core.types import Column, FitJob, Schema  # noqa: E402
from pipeline.features import features  # noqa: E402
from pipeline.metrics import metrics  # noqa: E402
from pipeline.models import models  # noqa: E402
from pipeline.models.layers.pretrained_text import layer_depths  # noqa: E402
from pipeline.tasks import tasks  # noqa: E402
from pipeline.training import learners  # noqa: E402
from pipeline.training.explaining import Asked, explain  # noqa: E402
from pipeline.training.optimizers import parameter_groups, trainable  # noqa: E402
from pipeline.training.predictor import Predictor  # noqa: E402

SCHEMA = Schema("id", "y", (Column("text", "text"),), classes=("a", "b"), target_kind="class")
TASK = tasks.build("classification", "task")
TEXTS = [" ".join(KNOWN[i % 7 : i % 7 + 1 + i % 4]) for i in range(24)]
LABELS = ["a" if "fox" in text else "b" for text in TEXTS]


@pytest.fixture
def tiny(tmp_path):
    return shutil.copytree(tiny_encoder(), tmp_path / "tiny")


def rows(texts: list[str], labels: list[str] | None = None) -> pd.DataFrame:
    table = pd.DataFrame({"text": pd.Series(texts, dtype="str")})
    return table if labels is None else table.assign(y=labels)


def prepared(encoder, texts=TEXTS, labels=LABELS, **settings):
    made = features.build({"name": "pretrained_tokens", "encoder": str(encoder), "column": "text", **settings}, "f")
    fitted = made.fit(rows(texts), SCHEMA, 0)
    target = TASK.fit_target(pd.Series(labels), SCHEMA)
    train = {**fitted.encode(rows(texts)), "target": target.encode(pd.Series(labels))}
    return made, fitted, target, train, replace(fitted.spec, outputs=2, classes=("a", "b"))


def build(spec, **settings):
    torch.manual_seed(0)
    return models.build({"name": "pretrained_encoder", "dropout": 0.0, **settings}, "m").build(spec, TASK, 0)


def train(encoder, model=None, **fit):
    made, fitted, target, given, spec = prepared(encoder)
    model = models.build({"name": "pretrained_encoder", **(model or {})}, "m")
    learner = build_settings(learners.get("neural"), {"epochs": 2, "batch_size": 8, "sampling": "bucketed", **fit}, "f")
    done = learner.fit(FitJob(model=model, task=TASK, spec=spec, train=given, valid=None, seed=0))
    return Predictor(SCHEMA, made, fitted, TASK, target, model, learner, spec, done)


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_it_begins_as_the_encoder_is(tiny, pooling):
    from transformers import AutoModel, AutoTokenizer

    _, _, _, given, spec = prepared(tiny)
    network = build(spec, pooling=pooling).eval()
    network.prepare({})
    network.output = torch.nn.Identity()
    batch = torch.from_numpy(given["pretrained_tokens"].padded(np.arange(24)).astype(np.int64))
    found, _ = network({"pretrained_tokens": batch})
    theirs = AutoTokenizer.from_pretrained(tiny, use_fast=True, pad_token="[PAD]")(
        TEXTS, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        steps = (
            AutoModel.from_pretrained(tiny)
            .eval()(input_ids=theirs["input_ids"], attention_mask=theirs["attention_mask"])
            .last_hidden_state
        )
    mask = theirs["attention_mask"].unsqueeze(-1)
    wanted = steps[:, 0] if pooling == "first" else (steps * mask).sum(1) / mask.sum(1)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    alone, _ = network({"pretrained_tokens": batch[:1, : given["pretrained_tokens"].lengths[0]]})
    torch.testing.assert_close(alone, found[:1], rtol=1e-4, atol=1e-5)  # padding changes nothing


def test_lower_layers_learn_more_slowly_and_the_head_at_its_own_rate(tiny):
    _, _, _, _, spec = prepared(tiny)
    network = build(spec, layer_decay=0.5, head_rate=3.0)
    rates = {
        id(parameter): group["lr"]
        for group in parameter_groups(trainable(network), network, 0.1, 0.01)
        for parameter in group["params"]
    }
    wanted = {"embeddings.word_embeddings": 0.05, "layer.0.": 0.05, "layer.1.": 0.1, "output.weight": 0.3}
    for part, rate in wanted.items():
        names = [name for name, _ in network.named_parameters() if part in name and (part[0] != "o" or name == part)]
        assert names
        assert [rates[id(dict(network.named_parameters())[name])] for name in names] == pytest.approx(
            [rate] * len(names)
        )


def test_an_encoder_whose_blocks_share_their_weights_has_no_layers_to_tell_apart(tmp_path):
    from transformers import AlbertConfig, AlbertModel, ModernBertConfig, ModernBertModel

    sizes = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 9, "embedding_size": 8}
    shared = AlbertModel(AlbertConfig(num_hidden_layers=3, **sizes))
    with pytest.raises(UserError, match="blocks of the encoder here cannot be told apart"):
        layer_depths(shared, "here")
    sizes.pop("embedding_size")
    late = ModernBertModel(ModernBertConfig(num_hidden_layers=2, pad_token_id=0, **sizes))
    depths = layer_depths(late, "here")
    assert depths["final_norm.weight"] == 2 and depths["embeddings.tok_embeddings.weight"] == 0


def test_frozen_layers_stay_as_they_are_and_others_learn(tiny):
    from transformers import AutoModel

    before = AutoModel.from_pretrained(tiny).state_dict()
    after = train(tiny, {"frozen_layers": 1}, learning_rate=1e-2).fitted.network.encoder.state_dict()
    for name, value in after.items():
        same = torch.equal(value, before[name])
        assert same == ("layer.1." not in name) or "key.bias" in name, name
    _, _, _, _, spec = prepared(tiny)
    with pytest.raises(UserError, match="frozen_layers: the encoder has 2 blocks, got 3"):
        build(spec, frozen_layers=3)


@pytest.mark.parametrize("model", [{}, {"gradient_checkpointing": True}, {"pooling": "attention"}])
def test_it_learns(tiny, model):
    predictor = train(tiny, model, epochs=30, learning_rate=3e-3)
    answers = predictor.predict(rows(TEXTS))
    assert (answers.idxmax(axis=1) == LABELS).mean() > 0.9


def test_a_texts_tokens_are_the_encoders_and_long_ones_are_cut_and_counted(tiny):
    made, fitted, *_ = prepared(tiny, maximum_length=4)
    found = fitted.encode(rows(["red fox runs fast", "", "odd"]))["pretrained_tokens"]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *KNOWN]
    assert [words[i - 1] for i in found.row(0)] == ["[CLS]", "red", "fox", "[SEP]"]
    assert [words[i - 1] for i in found.row(1)] == ["[CLS]", "[SEP]"]
    assert made.facts(fitted, rows(["red fox runs fast", "red fox", "odd"])) == {"tokens": 13, "cut": 1}
    refusing = replace(made, longer="refused").fit(rows(["red fox"]), SCHEMA, 0)
    assert refusing.encode(rows(["red fox"]))["pretrained_tokens"].lengths.tolist() == [4]
    with pytest.raises(UserError, match="column 'text', row 3: may have 4 tokens, got 6; raise maximum_length"):
        refusing.encode(rows(["red fox", "red fox runs fast"]))


@pytest.mark.parametrize("padding", [None, 4])
def test_no_token_of_a_text_is_taken_for_padding_whatever_that_is_with_the_encoder(tiny, padding):
    """An encoder whose padding is another index, or that names none: token 0 is a word like any other."""
    from transformers import AutoModel

    config = json.loads((tiny / "config.json").read_text())
    (tiny / "config.json").write_text(json.dumps({**config, "pad_token_id": padding}))
    tokenizer = json.loads((tiny / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["[PAD]"], vocabulary["red"] = vocabulary["red"], vocabulary["[PAD]"]
    (tiny / "tokenizer.json").write_text(json.dumps(tokenizer))
    _, _, _, given, spec = prepared(tiny)
    network = build(spec).eval()
    network.prepare({})
    network.output = torch.nn.Identity()
    own = given["pretrained_tokens"].row(0).astype(np.int64) - 1
    assert 0 in own  # red
    padded = np.pad(own + 1, (0, 3))
    found, _ = network({"pretrained_tokens": torch.from_numpy(padded)[None]})
    with torch.no_grad():
        steps = AutoModel.from_pretrained(tiny).eval()(torch.from_numpy(own)[None]).last_hidden_state
    torch.testing.assert_close(found, steps.mean(1), rtol=1e-4, atol=1e-5)


def test_minilm_learns_opinions_from_a_dozen_texts():
    good, bad = (
        ["a lovely film", "warm and funny", "I loved it", "a delight"],
        ["a dull mess", "cold", "I hated it", "boring"],
    )
    _, _, _, given, spec = prepared(minilm(), [*good, *bad], ["a"] * 4 + ["b"] * 4)
    model = models.build({"name": "pretrained_encoder", "frozen_layers": 5, "head_rate": 10.0}, "m")
    learner = build_settings(learners.get("neural"), {"epochs": 6, "batch_size": 8, "learning_rate": 1e-4}, "f")
    done = learner.fit(FitJob(model=model, task=TASK, spec=spec, train=given, valid=None, seed=0))
    raw = done.raw({"pretrained_tokens": given["pretrained_tokens"]})
    assert (raw.argmax(axis=1) == given["target"]).mean() >= 0.9


def test_its_words_count_by_what_it_answers_without_them(tiny):
    """Asked as any model that reads texts is, of a text that it is wrong about; by hand with the network alone."""
    predictor = train(tiny, {"dropout": 0.0}, epochs=30, learning_rate=0.003)
    table = rows(["red green blue fox", "green dog", "blue cat sleeps"], ["b", "b", "b"])
    told = predictor.predict(table)
    found = explain(Asked(predictor, table, table["y"], told, table, metrics.build("accuracy", "m"), 0))
    assert list(found) == ["words"]
    (text,) = found["words"]
    assert text["row"] == 0 and text["words"] == ["red", "green", "blue", "fox"] and text["told"].startswith("b, not a")

    def answered(words: list[str]) -> float:
        tokens = torch.tensor([[3, *(5 + KNOWN.index(word) for word in words), 4]])  # specials, 1 more than their own
        with torch.no_grad():
            output, _ = predictor.fitted.network({"pretrained_tokens": tokens})
        return float(output.softmax(dim=1)[0, 0])

    every = text["words"]
    wanted = [answered(every) - answered(every[:place] + every[place + 1 :]) for place in range(4)]
    assert text["effects"] == pytest.approx(wanted, abs=1e-5)
    assert int(np.argmax(text["effects"])) == 3  # fox is what it learned
