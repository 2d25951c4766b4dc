from __future__ import annotations

import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from pipeline.core.types import Column, Schema, Spec  # noqa: E402
from pipeline.decoding.base import Hypothesis  # noqa: E402
from pipeline.features import features  # noqa: E402
from pipeline.tasks import tasks  # noqa: E402
from pipeline.tasks.losses import losses  # noqa: E402
from pipeline.text.reserved import BOS, EOS, PAD  # noqa: E402
from pipeline.text.vocabulary import Vocabulary  # noqa: E402

TASK = tasks.build("translation", "t")
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
    state = Vocabulary(["<pad>", "<unk>", "<bos>", "<eos>", "un", "deux"]).state()
    spec = Spec(tokenizers={"target": {"settings": {"name": "words"}, "state": state}})
    raw = [[answer([4], -1), answer([5], -2)], [answer([4, 5, 4, 5])], [answer([])]]
    texts = TASK.predictions(raw, TASK.fit_target(None, SCHEMA), spec)["prediction"].tolist()
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


def test_texts_of_the_heaviest_model_stand_for_all():
    frames = [pd.DataFrame({"prediction": [name]}) for name in "abc"]
    assert TASK.average(frames, [0.2, 0.4, 0.4], None)["prediction"].tolist() == ["b"]
    assert not TASK.numeric and BOS != EOS
