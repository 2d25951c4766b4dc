"""Every network on the shelf that reads texts: what is true of them all."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from pipeline.core.errors import Faults  # noqa: E402
from pipeline.core.types import Spec  # noqa: E402
from pipeline.models import models  # noqa: E402

TEXTS = [[4, 5, 6, 7, 8, 9, 3], [2], [], [7, 6, 4, 11], [11, 12, 13, 14, 3, 2]]
NAMES = [name for name in models if models.get(name).needs == {"tokens"} and models.get(name).learner == "neural"]
SETTINGS = [
    *({"name": name} for name in NAMES),
    *({"name": "recurrent_classifier", "cell": cell, "layers": 2} for cell in ("rnn", "gru", "lstm")),
    *(
        {"name": "recurrent_classifier", "pooling": pooling, "bidirectional": both}
        for pooling in ("last", "mean", "attention")
        for both in (False, True)
    ),
    *({"name": "transformer_encoder", "positions": kind} for kind in ("learned", "rotary", "none")),
    *({"name": "transformer_encoder", "pooling": pooling} for pooling in ("max", "first", "attention")),
    {"name": "transformer_encoder", "norm": "after", "activation": "gelu"},
    {"name": "text_cnn", "widths": [1, 4]},
]
SMALL = {"recurrent_classifier": {"hidden": 6}, "text_cnn": {"maps": 6}, "transformer_encoder": {"hidden": 12}}
every = pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(map(str, settings.values())))


def network(settings, outputs: int = 3, side: bool = False):
    """Its network, of small size, in evaluation."""
    torch.manual_seed(0)
    settings = {"embedding": 8, **SMALL.get(settings["name"], {}), **settings}
    shapes = {"tokens": (7,), **({"numbers": (2,), "categories": (2,)} if side else {})}
    sizes = {"tokens": 15, **({"categories": [3, 4]} if side else {})}
    return models.build(settings, "model").build(Spec(shapes, sizes=sizes, outputs=outputs), None, 0).eval()


def padded(texts, steps: int = 0):
    steps = steps or max(map(len, texts))
    rows = [[*text, *[0] * (steps - len(text))] for text in texts]
    return torch.tensor(rows, dtype=torch.int64).view(len(texts), steps)


def test_the_shelf_holds_all_of_them():
    assert {"bag_of_embeddings", "text_cnn", "recurrent_classifier", "transformer_encoder"} <= set(NAMES)


@every
def test_padding_neighbours_and_order_change_no_output(settings):
    model = network(settings)
    together, state = model({"tokens": padded(TEXTS)})
    assert together.shape == (5, 3) and state is None
    torch.testing.assert_close(model({"tokens": padded(TEXTS, 12)})[0], together)
    order = torch.tensor([3, 0, 4, 2, 1])
    torch.testing.assert_close(model({"tokens": padded(TEXTS)[order]})[0], together[order])
    for text, expected in zip(TEXTS, together):
        torch.testing.assert_close(model({"tokens": padded([text])})[0][0], expected)
    assert not torch.allclose(together[0], together[3])


@every
def test_empty_texts_give_finite_outputs_and_gradients(settings):
    for texts in (TEXTS, [[], []]):
        model = network(settings).train()
        output, _ = model({"tokens": padded(texts)})
        assert torch.isfinite(output).all()
        output.square().sum().backward()
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        assert gradients and all(torch.isfinite(gradient).all() for gradient in gradients)
        assert (model.embedding.weight.grad[0] == 0).all()  # padding stays nothing


@every
def test_a_word_that_was_never_seen_says_nothing_before_it_is_learned(settings):
    weight = network(settings).embedding.weight
    assert (weight[:2] == 0).all() and (weight[2:] != 0).all()


@every
def test_outputs_are_any_number_and_columns_beside_the_text_count(settings):
    model, tokens = network(settings, outputs=4, side=True), padded(TEXTS)
    numbers = torch.randn(5, 2)
    categories = torch.tensor([[0, 1], [2, 3], [1, 0], [1, 1], [2, 2]])
    output, _ = model({"tokens": tokens, "numbers": numbers, "categories": categories})
    assert output.shape == (5, 4)
    # The output layer is linear: what the columns add is their own, whatever the text.
    zeros, _ = model({"tokens": tokens, "numbers": torch.zeros(5, 2), "categories": torch.zeros_like(categories)})
    added = (
        numbers @ model.output.weight[:, -18:-16].T + model.side.categories(categories) @ model.output.weight[:, -16:].T
    )
    torch.testing.assert_close(output, zeros + added, atol=1e-5, rtol=1e-5)
    text = network(settings, outputs=4)
    assert model.output.in_features == text.output.in_features + 18


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_numbers_from_texts(name):
    """Two targets: how often token 5 stands in a text, and whether token 9 does."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(2, 15, (128, 7), generator=generator)
    tokens *= torch.arange(7) < torch.randint(1, 8, (128, 1), generator=generator)
    target = torch.stack([(tokens == 5).sum(1), (tokens == 9).any(1)], dim=1).float()
    model = network({"name": name, "dropout": 0.0, "embedding": 16}, outputs=2).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(100):
        loss = functional.mse_loss(model({"tokens": tokens})[0], target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # A mean does not know how long a text is.
    assert loss < (0.5 if name == "bag_of_embeddings" else 0.1) * target.var(0).mean()


def test_a_text_cnn_is_the_paper_written_out():
    model = network({"name": "text_cnn", "widths": [2, 3], "maps": 4})
    for text in TEXTS:
        features = []
        for convolution in model.convolutions:
            width = convolution.kernel_size[0]
            around = [torch.zeros(8)] * (width - 1)
            vectors = [*around, *(model.embedding.weight[token] for token in text), *around]
            windows = [torch.stack(vectors[i : i + width]) for i in range(len(vectors) - width + 1)] if text else []
            for weight, bias in zip(convolution.weight, convolution.bias):  # weight [embedding, width]
                values = [torch.relu((weight.T * window).sum() + bias) for window in windows]
                features.append(max(values) if values else torch.tensor(0.0))
        expected = model.output(torch.stack(features))
        torch.testing.assert_close(model({"tokens": padded([text], 7)})[0][0], expected)


def test_a_recurrent_classifier_pools_the_states_of_real_words():
    tokens = padded(TEXTS)
    for pooling in ("last", "mean", "max"):
        model = network({"name": "recurrent_classifier", "pooling": pooling, "cell": "gru"})
        for text, found in zip(TEXTS, model({"tokens": tokens})[0]):
            features = torch.zeros(12)
            if text:
                own = torch.nn.GRU(8, 6, batch_first=True, bidirectional=True)
                own.load_state_dict(model.recurrent.state_dict())
                outputs, state = own(model.embedding.weight[text].unsqueeze(0))
                pools = {"last": state.flatten(), "mean": outputs[0].mean(0), "max": outputs[0].amax(0)}
                features = pools[pooling]
            torch.testing.assert_close(found, model.output(features))


def test_dropped_words_are_missing_wherever_they_stand():
    model = network({"name": "recurrent_classifier", "word_dropout": 0.5}).train()
    tokens = torch.tensor([[2, 3, 2, 4, 5, 6, 2, 3]])
    dropped = model.word_dropout(torch.ones(1, 8, 1), tokens)[0, :, 0]
    assert set(dropped.tolist()) == {0.0, 2.0}
    assert dropped[0] == dropped[2] == dropped[6] and dropped[1] == dropped[7]
    torch.testing.assert_close(model.eval().word_dropout(torch.ones(1, 8, 1), tokens), torch.ones(1, 8, 1))


def test_a_network_that_has_learned_comes_back_from_its_weights():
    for name in NAMES:
        model = network({"name": name})
        other = copy.deepcopy(model)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.zero_()
        other.load_state_dict(model.state_dict())
        torch.testing.assert_close(other({"tokens": padded(TEXTS)})[0], model({"tokens": padded(TEXTS)})[0])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"name": "transformer_encoder", "heads": 5}, "heads must divide embedding, got 5 heads and embedding 128"),
        ({"name": "transformer_encoder", "embedding": 6, "heads": 2, "positions": "rotary"}, "even width, got 3"),
        ({"name": "text_cnn", "widths": []}, "widths"),
        ({"name": "bag_of_embeddings", "vectors_trained": False}, "needs vectors"),
    ],
)
def test_settings_that_do_not_go_together_are_told(settings, told):
    with pytest.raises(Faults, match=told):
        models.build(settings, "model")
