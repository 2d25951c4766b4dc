"""A pretrained encoder and decoder that is trained on."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from encoders import KNOWN  # noqa: E402

from pipeline.core.errors import UserError  # noqa: E402
from pipeline.core.registry import build_settings  # noqa: E402
from pipeline.core.types import Column, FitJob, Schema, Spec  # noqa: E402
from pipeline.decoding.network import NetworkSteps  # noqa: E402
from pipeline.decoding.steps import Steps  # noqa: E402
from pipeline.features import features  # noqa: E402
from pipeline.models import models  # noqa: E402
from pipeline.tasks import tasks  # noqa: E402
from pipeline.text.reserved import BOS, EOS, PAD  # noqa: E402
from pipeline.training import learners  # noqa: E402
from pipeline.training.predictor import Predictor  # noqa: E402

torch.set_num_threads(1)
SCHEMA = Schema("id", "fr", (Column("en", "text"),), target_kind="text")
EN = [" ".join(KNOWN[i % 7 : i % 7 + 1 + i % 3]) for i in range(24)]
FR = [" ".join(reversed(text.split())) for text in EN]
ROWS = pd.DataFrame({"en": pd.Series(EN, dtype="str"), "fr": pd.Series(FR, dtype="str")})
SIZE = {"d_model": 16, "decoder_layers": 1, "encoder_layers": 1, "max_position_embeddings": 40}
HEADS = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 20, "decoder_ffn_dim": 20}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 20, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 0}
KINDS = {
    "t5": ("T5", T5, {"pad": 0, "end": 1, "unk": 2}),
    "mt5": (
        "MT5",
        {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
        {"pad": 0, "end": 1, "unk": 2},
    ),
    "byt5": ("T5", {**T5, "vocab_size": 264}, {"pad": 0, "end": 1, "unk": 2}),
    "bart": ("Bart", {**SIZE, **HEADS}, {"begin": 0, "pad": 1, "end": 2, "unk": 3}),
    "marian": ("Marian", {**SIZE, **HEADS, "decoder_start_token_id": 15}, {"end": 0, "unk": 1, "pad": 15}),
}
NAMES = {"pad": "<pad>", "end": "</s>", "unk": "<unk>", "begin": "<s>"}


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory):
    """A small random model as transformers saves it, with one word a token."""
    from tokenizers import Tokenizer, pre_tokenizers, processors
    from tokenizers import models as cutters

    kind, settings, marks = KINDS[request.param]
    place = tmp_path_factory.mktemp(request.param)
    free = [i for i in range(40) if i not in marks.values()]
    words = {NAMES[mark]: index for mark, index in marks.items()}
    ids = {"pad_token_id": marks["pad"], "eos_token_id": marks["end"], "bos_token_id": marks.get("begin")}
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**{"vocab_size": 16, **ids, **settings})
    network = "MarianMTModel" if kind == "Marian" else f"{kind}ForConditionalGeneration"
    getattr(transformers, network)(config).save_pretrained(place)
    if request.param == "byt5":
        transformers.ByT5Tokenizer(extra_ids=5).save_pretrained(place)
        return place
    if kind == "Marian":
        import sentencepiece

        for side in ("source", "target"):
            with (place / f"{side}.spm").open("wb") as file:
                sentencepiece.SentencePieceTrainer.train(
                    sentence_iterator=iter(KNOWN * 3),
                    model_writer=file,
                    vocab_size=34,
                    model_type="word",
                    minloglevel=2,
                    hard_vocab_limit=False,
                    bos_id=-1,
                    pad_id=-1,
                )
        words |= {f"\u2581{word}": free[i] for i, word in enumerate(KNOWN)}
        (place / "vocab.json").write_text(json.dumps(words))
        return place
    words |= {word: free[i] for i, word in enumerate(KNOWN)}
    cutter = Tokenizer(cutters.WordLevel(words, unk_token="<unk>"))
    cutter.add_special_tokens([NAMES[mark] for mark in marks])
    cutter.pre_tokenizer = pre_tokenizers.Whitespace()
    around = "<s> $A </s>" if "begin" in marks else "$A </s>"
    used = [(NAMES[mark], marks[mark]) for mark in ("begin", "end") if mark in marks]
    cutter.post_processor = processors.TemplateProcessing(single=around, special_tokens=used)
    cutter.save(str(place / "tokenizer.json"))
    return place


def prepared(folder, **more):
    tokenizer = {"name": "pretrained", "model": str(folder)}
    sides = (
        {"target_tokenizer": {**tokenizer, "side": "target"}} if (folder / "source.spm").exists() else {"joint": True}
    )
    settings = {"name": "pairs", "source": "en", "target": "fr", "tokenizer": tokenizer, **sides, **more}
    part = features.build(settings, "f")
    encoder = part.fit(ROWS, SCHEMA, 0)
    return part, encoder, replace(encoder.spec, outputs=encoder.spec.sizes["target"])


def batch(encoder, rows=ROWS):
    encoded = encoder.encode(rows)
    return {
        name: torch.from_numpy(encoded[name].padded(range(len(rows))).astype("int64"))
        for name in ("source", "tokens", "labels")
    }


def test_it_begins_as_the_model_is(folder):
    """Losses of transformers' own, of its own tokens."""
    _, encoder, spec = prepared(folder)
    network = models.build("pretrained_translator", "m").build(spec, tasks.build("translation", "t"), 0).eval()
    network.prepare({})
    own = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    data = batch(encoder)
    scores, _ = network(data)
    for i in range(6):
        source, labels = data["source"][i], data["labels"][i]
        source, labels = source[source != PAD], labels[labels != PAD]
        theirs = own(input_ids=network.order[source][None], labels=network.order[labels][None])
        logs = scores[i, : len(labels)].log_softmax(-1).gather(-1, labels[:, None])
        expected = theirs.logits[0].log_softmax(-1).gather(-1, network.order[labels][:, None])
        torch.testing.assert_close(logs, expected)
        torch.testing.assert_close(-logs.mean(), theirs.loss)
    state = network.start(data)
    for step in range(3):
        found, state = network.step(data["tokens"][:, step], state)
        torch.testing.assert_close(found, scores[:, step], atol=1e-5, rtol=1e-5)


def test_an_end_may_be_certain(folder):
    """What BART begins with is its end too."""
    _, encoder, spec = prepared(folder)
    network = models.build("pretrained_translator", "m").build(spec, tasks.build("translation", "t"), 0).eval()
    network.network.lm_head.register_forward_hook(
        lambda layer, given, logits: logits.index_fill(-1, network.order[EOS], 50.0)
    )
    scores, _ = network(batch(encoder))
    assert scores.softmax(-1)[..., EOS].min() > 0.999


def test_a_search_reads_a_token_a_step_and_finds_what_reading_all_anew_finds(folder):
    """Keys and values that are kept follow lanes that are reordered, repeated and dropped."""
    _, encoder, spec = prepared(folder)
    task = tasks.build({"name": "translation", "search": {"name": "beam", "width": 4, "n_best": 4}}, "t")
    network = models.build("pretrained_translator", "m").build(spec, task, 0).eval()
    network.prepare({})
    with torch.no_grad():  # so that it has something to say
        for parameter in network.parameters():
            parameter.mul_(3)
    source = batch(encoder)["source"][[2, 5, 8]]
    read = []
    note = network.network.get_decoder().register_forward_pre_hook(
        lambda _, __, given: read.append(given["input_ids"].shape[1]), with_kwargs=True
    )
    steps, limits = NetworkSteps(network, torch.device("cpu")), np.full(3, 12)
    found = task.search.answers(steps, steps.start({"source": source}), limits, [0] * 3)
    note.remove()
    assert set(read) == {1} and len(read) > 5
    anew = Anew(network)
    other = task.search.answers(anew, anew.start({"source": source}), limits, [0] * 3)
    assert [[one.tokens for one in some] for some in found] == [[one.tokens for one in some] for some in other]
    scores = [[one.score for some in answers for one in some] for answers in (found, other)]
    np.testing.assert_allclose(*scores, rtol=1e-4)
    tokens = torch.tensor([[BOS, 9, 12, 7, 11]] * 3)  # several at once, behind some that are kept
    with torch.no_grad():
        _, state = network.read(tokens[:, :2], network.start({"source": source}))
        whole, _ = network({"source": source, "tokens": tokens})
        torch.testing.assert_close(network.read(tokens[:, 2:], state)[0], whole[:, 2:], atol=1e-4, rtol=1e-4)


class Anew(Steps):
    """Source and all tokens so far are read again at each step."""

    def __init__(self, network):
        self.network = network

    def start(self, of):
        return of["source"], torch.zeros((len(of["source"]), 0), dtype=torch.long)

    def take(self, state, lanes):
        return state[0][lanes], state[1][lanes]

    def step(self, tokens, state):
        text = torch.cat([state[1], torch.from_numpy(tokens)[:, None]], dim=1)
        with torch.no_grad():
            scores, _ = self.network({"source": state[0], "tokens": text})
        return scores[:, -1].log_softmax(-1).numpy(), (state[0], text)


def test_its_own_tokenizer_cuts_and_joins(folder):
    _, encoder, spec = prepared(folder)
    assert tasks.build("translation", "t").texts(encoder.encode(ROWS)["labels"], spec) == FR
    ids = encoder.encode(ROWS)["source"].row(3)
    own = [spec.pretrained["source"]["order"][index] for index in ids]
    if "byt5" in folder.name:
        assert own == transformers.ByT5Tokenizer.from_pretrained(folder)(EN[3]).input_ids
        odd = ["è 漢 \U0001f4a9", "%s\u00a0{n}", ""]
        assert encoder.target.tokens("è") == ["<0xC3>", "<0xA8>"]
        assert [encoder.target.decode(row) for row in encoder.target.encode(odd)] == odd
        return
    words = EN[3].split()
    assert own[-1] == spec.pretrained["source"]["config"]["eos_token_id"] and len(own) in (
        len(words) + 1,
        len(words) + 2,
    )


def test_it_trains_saves_loads_and_needs_its_folder_no_more(folder, tmp_path):
    part, encoder, spec = prepared(folder)
    spec = Spec.from_json(json.loads(json.dumps(spec.to_json())))
    task = tasks.build({"name": "translation", "search": "greedy"}, "t")
    model = models.build({"name": "pretrained_translator", "dropout": 0.0}, "m")
    fit = {"epochs": 30, "batch_size": 24, "learning_rate": 0.02, "sampling": "bucketed"}
    learner = build_settings(learners.get("neural"), fit, "fit")
    fitted = learner.fit(FitJob(model=model, task=task, spec=spec, train=encoder.encode(ROWS), valid=None, seed=0))
    assert fitted.curves["train_loss"][-1] < fitted.curves["train_loss"][0] / 3
    predictor = Predictor(SCHEMA, part, encoder, task, task.fit_target(None, SCHEMA), model, learner, spec, fitted)
    before = predictor.predict(ROWS[["en"]])
    predictor.save(tmp_path / "saved")
    moved = folder.rename(folder.with_name("away"))
    try:
        pd.testing.assert_frame_equal(Predictor.load(tmp_path / "saved").predict(ROWS[["en"]]), before)
    finally:
        moved.rename(folder)


def test_a_frozen_encoder_learns_nothing(folder):
    _, _, spec = prepared(folder)
    network = models.build({"name": "pretrained_translator", "frozen_encoder": True}, "m").build(spec, None, 0)
    free = [name for name, one in network.named_parameters() if one.requires_grad]
    assert free and not [name for name in free if "encoder.layers" in name or "encoder.block" in name]


def test_what_is_no_translator_is_refused(tmp_path):
    from encoders import tiny_encoder

    with pytest.raises(UserError, match="no encoder and decoder"):
        prepared(tiny_encoder())
    with pytest.raises(UserError, match="reads a pretrained model's own tokens"):
        models.build("pretrained_translator", "m").build(Spec(sizes={"source": 5}, outputs=5), None, 0)
