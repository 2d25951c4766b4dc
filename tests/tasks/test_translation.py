from __future__ import annotations

import pandas as pd
import pytest
import sacrebleu

torch = pytest.importorskip("torch")

from pipeline.core.types import Column, Schema, Spec  # noqa: E402
from pipeline.decoding.base import Hypothesis  # noqa: E402
from pipeline.features import features  # noqa: E402
from pipeline.tasks import tasks  # noqa: E402
from pipeline.tasks.losses import losses  # noqa: E402
from pipeline.text.reserved import EOS, PAD  # noqa: E402
from pipeline.text.vocabulary import Vocabulary  # noqa: E402

TASK = tasks.build("translation", "t")
STATE = Vocabulary(["<pad>", "<unk>", "<bos>", "<eos>", "un", "deux"]).state()
SPEC = Spec(tokenizers={"target": {"settings": {"name": "words"}, "state": STATE}})
SCHEMA = Schema(id=None, target="fr", columns=(Column("en", "text"),), target_kind="text")


def test_labels_as_answers_give_the_texts_back():
    texts = ["Ouvrir l'éditeur (bêta) ?", "", "Fichiers : %1."]
    rows = pd.DataFrame({"en": ["a", "b", "c"], "fr": pd.Series(texts, dtype="str")})
    pairs = features.build({"name": "pairs", "source": "en", "target": "fr"}, "f")
    encoder = pairs.fit(rows, SCHEMA, 0)
    labels = [[answer(row[row > EOS])] for row in encoder.encode(rows)["labels"]]
    predictions = TASK.predictions(labels, TASK.fit_target(rows["fr"], SCHEMA), encoder.spec)
    assert predictions["prediction"].tolist() == texts


def answer(tokens, score=0.0):
    return Hypothesis(tuple(map(int, tokens)), score, score, ended=True)


def test_the_best_hypothesis_is_the_text_of_its_row():
    raw = [[answer([4], -1), answer([5], -2)], [answer([4, 5, 4, 5])], [answer([])]]
    texts = TASK.predictions(raw, TASK.fit_target(None, SCHEMA), SPEC)["prediction"].tolist()
    assert texts == ["un", "un deux un deux", ""]


def test_training_looks_at_greedy_answers_whatever_the_search():
    own = tasks.build({"name": "translation", "search": {"name": "sampling", "top_k": 3}}, "t")
    assert own.in_training() == TASK.in_training() and own.search.name == "sampling"


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_the_sum_over_real_tokens_and_weighs_tokens(smoothing):
    torch.manual_seed(0)
    scores, labels = torch.randn(2, 3, 7), torch.tensor([[4, 5, EOS], [EOS, PAD, PAD]])
    criterion = losses.build({"name": "cross_entropy", "label_smoothing": smoothing}, "l").criterion()
    own = torch.nn.functional.cross_entropy(
        scores.transpose(1, 2), labels, ignore_index=PAD, label_smoothing=smoothing, reduction="sum"
    )
    torch.testing.assert_close(TASK.loss(scores, {"labels": labels}, criterion), (own, torch.tensor(4)))
    scores[1, 1:] = 1e4 * torch.randn(2, 7)  # scores of padding count for nothing
    torch.testing.assert_close(TASK.loss(scores, {"labels": labels}, criterion), (own, torch.tensor(4)))


def test_of_several_models_texts_the_one_most_like_all_is_taken():
    frames = [pd.DataFrame({"prediction": [text, "gleich"]}) for text in ("ein Hund", "die Katzen", "ein Huhn")]
    assert TASK.average(frames, [1 / 3] * 3, None)["prediction"].tolist() == ["ein Hund", "gleich"]
    assert TASK.average(frames, [0.2, 0.6, 0.2], None)["prediction"].tolist() == ["die Katzen", "gleich"]
    unlike = [pd.DataFrame({"prediction": [text]}) for text in "abc"]  # of equals the heaviest, the first of these
    assert TASK.average(unlike, [0.2, 0.4, 0.4], None)["prediction"].tolist() == ["b"]
    assert not TASK.numeric


def test_all_hypotheses_that_a_search_tells_take_part(tmp_path):
    raw = [[answer([4, 5], -0.1), answer([4, 4], -3.0)], [answer([5], -0.2)]]
    frame = TASK.predictions(raw, TASK.fit_target(None, SCHEMA), SPEC)
    frame.to_parquet(tmp_path / "told.parquet")
    back = pd.read_parquet(tmp_path / "told.parquet")
    assert [list(one) for one in back["candidates"]] == [["un deux", "un un"], ["deux"]]
    assert [list(one) for one in back["scores"]] == [[-0.1, -3.0], [-0.2]]
    other = pd.DataFrame({"prediction": ["un un", "un"]})
    # The second candidate hardly counts beside the first, but counts.
    assert TASK.average([back, other], [0.49, 0.51], None)["prediction"][0] == "un un"
    assert TASK.average([back, other], [0.6, 0.4], None)["prediction"][0] == "un deux"


def test_the_best_and_worst_sentences_and_scores_by_length():
    target = pd.Series([f"{'wort ' * n}ende" for n in range(1, 31)], dtype="str")
    said = target.copy()
    said[20], said[3] = "", "wort wort warte ende"
    name, data = TASK.diagnostic(target, pd.DataFrame({"prediction": said}))
    assert name == "translations"
    assert [one["prediction"] for one in data["worst"]][:2] == ["", "wort wort warte ende"]
    assert data["best"][0] == {"score": 100.0, "target": target[29], "prediction": target[29]}
    assert sum(one["rows"] for one in data["lengths"]) == 30 and data["lengths"][0]["words"].startswith("2–")
    own = sacrebleu.sentence_chrf(said[3], [target[3]]).score
    assert data["worst"][1]["score"] == pytest.approx(own)
    assert TASK.diagnostic(target[:1], pd.DataFrame({"prediction": said[:1]}))[1]["lengths"][0]["rows"] == 1
