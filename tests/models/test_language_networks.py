"""Networks that predict the next token: windows, steps, states."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from pipeline.core.errors import Faults  # noqa: E402
from pipeline.core.types import Spec  # noqa: E402
from pipeline.models import models  # noqa: E402
from pipeline.training.optimizers import optimizers, parameter_groups, trainable  # noqa: E402

SPEC = Spec(shapes={"tokens": (6,)}, sizes={"tokens": 11}, outputs=11)


def network(name="recurrent_language_model", **settings):
    torch.manual_seed(0)
    body = {"hidden": 8, "embedding": 5} if name == "recurrent_language_model" else {"width": 8, "heads": 2}
    return models.build({"name": name, **body, **settings}, "m").build(SPEC, task=None, seed=0).eval()


def tokens(lanes: int, steps: int) -> torch.Tensor:
    return torch.randint(0, 11, (lanes, steps), generator=torch.Generator().manual_seed(1))


RECURRENT = [
    {"cell": "gru"},
    {"cell": "rnn"},
    {"cell": "lstm", "layers": 2},
    {"locked": True, "layers": 2, "dropout": 0.2},
    {"tied": True},
    {"tied": True, "embedding": 8},
    {"embedding": None},
]


@pytest.mark.parametrize("settings", RECURRENT)
def test_windows_with_their_state_give_what_one_long_window_gives(settings):
    model, text = network(**settings), tokens(3, 12)
    whole, _ = model({"tokens": text})
    state, parts = None, []
    for window in text.split(4, dim=1):
        scores, state = model({"tokens": window}, state)
        parts.append(scores)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    assert all(part.shape[0] == 3 for part in (state if isinstance(state, tuple) else (state,)))  # lanes first


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *(("recurrent_language_model", settings) for settings in RECURRENT),
        *(("transformer_language_model", {"positions": kind}) for kind in ("sinusoidal", "learned", "rotary", "none")),
        ("transformer_language_model", {"norm": "after", "tied": False}),
    ],
)
def test_a_token_at_a_time_gives_what_a_window_gives(name, settings):
    model, text = network(name, **settings), tokens(3, 9)
    whole, _ = model({"tokens": text})
    state, parts = model.start(3), []
    for step in range(text.shape[1]):
        scores, state = model.step(text[:, step], state)
        parts.append(scores)
    torch.testing.assert_close(torch.stack(parts, dim=1), whole, rtol=1e-4, atol=1e-5)


def test_a_later_token_changes_no_earlier_score():
    model, text = network("transformer_language_model"), tokens(2, 9)
    changed = text.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 11
    before, after = model({"tokens": text})[0], model({"tokens": changed})[0]
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


def test_a_fresh_lane_forgets_and_the_others_do_not():
    model, text = network(), tokens(3, 8)
    _, state = model({"tokens": text[:, :4]})
    scores, _ = model({"tokens": text[:, 4:], "fresh": torch.tensor([False, True, False])}, state)
    anew, _ = model({"tokens": text[:, 4:]})
    on, _ = model({"tokens": text[:, 4:]}, state)
    torch.testing.assert_close(scores[1], anew[1])
    torch.testing.assert_close(scores[[0, 2]], on[[0, 2]])
    assert not torch.allclose(on[1], anew[1])


def test_a_fresh_lane_forgets_even_what_is_no_number():
    model, text = network(cell="gru"), tokens(2, 4)
    state = torch.full((2, 1, 8), torch.nan)
    assert torch.isfinite(model({"tokens": text, "fresh": torch.tensor([True, True])}, state)[0]).all()


def test_tied_weights_lie_in_files_once(tmp_path):
    from safetensors.torch import load_model, save_model

    for name in ("recurrent_language_model", "transformer_language_model"):
        model = network(name, tied=True)
        save_model(model, str(tmp_path / "weights.safetensors"))
        torch.manual_seed(5)
        other = network(name, tied=True)
        load_model(other, str(tmp_path / "weights.safetensors"))
        torch.testing.assert_close(other({"tokens": tokens(2, 5)})[0], model({"tokens": tokens(2, 5)})[0])
    untied, tied = network(embedding=8), network(tied=True, embedding=8)
    difference = sum(p.numel() for p in untied.parameters()) - sum(p.numel() for p in tied.parameters())
    assert difference == 8 * 11


@pytest.mark.parametrize(
    ("name", "settings", "still"),
    [
        ("recurrent_language_model", {"cell": "lstm"}, {"embedding.weight"}),
        ("recurrent_language_model", {"tied": True}, set()),
        ("recurrent_language_model", {"embedding": None}, set()),
        (
            "transformer_language_model",
            {"positions": "learned", "tied": False},
            {"embedding.weight", "positions.weight"},
        ),
        ("transformer_language_model", {"positions": "learned"}, {"positions.weight"}),
    ],
)
def test_biases_gains_and_vectors_that_are_no_output_layers_do_not_decay_and_all_other_weights_do(
    name, settings, still
):
    model = network(name, **settings)
    named = trainable(model)
    groups = parameter_groups(named, model, learning_rate=0.1, weight_decay=0.5)
    for group in groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    before = {name: parameter.detach().clone() for name, parameter in named.items()}
    optimizers.build("adamw", "o").build(groups).step()
    moved = {name for name, parameter in named.items() if not torch.equal(parameter, before[name])}
    assert moved == {name for name, parameter in named.items() if parameter.ndim > 1} - still
    for name in moved:  # the rate times the decay is taken off, and nothing else
        torch.testing.assert_close(named[name], before[name] * 0.95)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"bidirectional": True}, "bidirectional reads what comes after a token"),
        ({"tied": True, "embedding": None}, "tied needs an embedding"),
    ],
)
def test_what_cannot_predict_left_to_right_is_refused(settings, words):
    with pytest.raises(Faults, match=words):
        network(**settings)
