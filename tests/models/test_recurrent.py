from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence  # noqa: E402

from pipeline.models.layers.gru import gru  # noqa: E402
from pipeline.models.layers.recurrent import LockedDropout, Recurrent  # noqa: E402

OWN = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
LENGTHS = torch.tensor([3, 7, 1, 5])
REAL = torch.arange(7) < LENGTHS[:, None]  # [4, 7]
SHAPES = [(1, False), (2, False), (1, True), (2, True)]


def pair(cell: str, layers: int, bidirectional: bool):
    """Ours, and torch's own layer with the same weights."""
    torch.manual_seed(0)
    ours = Recurrent(cell, 5, 6, layers, bidirectional=bidirectional)
    own = OWN[cell](5, 6, layers, batch_first=True, bidirectional=bidirectional)
    own.load_state_dict(ours.state_dict())
    return ours, own, torch.randn(4, 7, 5, requires_grad=True)


def flat(state):
    return torch.cat(state, dim=-1) if isinstance(state, tuple) else state


@pytest.mark.parametrize("cell", OWN)
@pytest.mark.parametrize(("layers", "bidirectional"), SHAPES)
def test_texts_give_what_torchs_packed_layers_give(cell, layers, bidirectional):
    ours, own, inputs = pair(cell, layers, bidirectional)
    packed = pack_padded_sequence(inputs, LENGTHS, batch_first=True, enforce_sorted=False)
    outputs, state = own(packed)
    outputs, _ = pad_packed_sequence(outputs, batch_first=True)
    found, last = ours.encode(inputs, LENGTHS)
    torch.testing.assert_close(found, outputs)
    torch.testing.assert_close(flat(last), flat(state).transpose(0, 1))
    read = ours.read(inputs, LENGTHS)
    torch.testing.assert_close(read[REAL], outputs[REAL])
    weigh = torch.randn_like(outputs) * REAL.unsqueeze(-1)
    expected = torch.autograd.grad((outputs * weigh).sum(), [inputs, *own.parameters()])
    for gradient, other in zip(torch.autograd.grad((read * weigh).sum(), [inputs, *ours.parameters()]), expected):
        torch.testing.assert_close(gradient, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("cell", OWN)
@pytest.mark.parametrize("locked", [False, True])
def test_windows_with_their_state_give_what_one_long_window_gives(cell, locked):
    torch.manual_seed(0)
    layer, inputs = Recurrent(cell, 5, 6, layers=2, locked=locked), torch.randn(3, 8, 5)
    whole, last = layer(inputs)
    first, state = layer(inputs[:, :3])
    second, state = layer(inputs[:, 3:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    torch.testing.assert_close(flat(state), flat(last))
    assert flat(state).shape[:2] == (3, 2)  # lanes first


def test_dropout_between_layers_is_the_same_at_all_steps_where_it_is_locked():
    torch.manual_seed(0)
    dropped = LockedDropout(0.5)(torch.ones(4, 9, 50))
    assert (dropped == dropped[:, :1]).all()
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert not (dropped[0] == dropped[1]).all()
    one, two = Recurrent("gru", 5, 6, 1, 0.5, locked=True), Recurrent("gru", 5, 6, 2, 0.5, locked=True)
    inputs = torch.randn(2, 4, 5)
    torch.testing.assert_close(one(inputs)[0], one(inputs)[0])  # there is nothing between one layer
    assert not torch.allclose(two(inputs)[0], two(inputs)[0])
    torch.testing.assert_close(two.eval()(inputs)[0], two(inputs)[0])


def test_words_behind_the_end_of_a_text_reach_nothing():
    layer = Recurrent("lstm", 5, 6, layers=2, bidirectional=True)
    inputs = torch.randn(4, 7, 5)
    other = torch.where(REAL.unsqueeze(-1), inputs, torch.full_like(inputs, 9.0))
    torch.testing.assert_close(layer.read(inputs, LENGTHS)[REAL], layer.read(other, LENGTHS)[REAL])


@pytest.mark.parametrize(("short", "tolerance"), [(False, 1e-6), (True, 0.02)])
@pytest.mark.parametrize("shape", [(3, 7, 5, 4), (12, 33, 16, 24), (1, 1, 2, 3)])
def test_gated_units_learn_as_torchs_own_do(shape, short, tolerance):
    batch, steps, inputs, hidden = shape
    torch.manual_seed(0)
    theirs = torch.nn.GRU(inputs, hidden, batch_first=True)
    found = torch.randn(batch, steps, inputs), torch.randn(batch, hidden), torch.randn(batch, steps, hidden)

    def gradients(run):
        given, first = found[0].clone().requires_grad_(), found[1].clone().requires_grad_()
        theirs.zero_grad()
        outputs, last = run(given, first)
        ((outputs * found[2]).sum() + last.square().sum()).backward()
        return [outputs, last, given.grad, first.grad, *[one.grad.clone() for one in theirs.parameters()]]

    def ours(given, first):
        with torch.autocast("cpu", torch.bfloat16, enabled=short):
            return gru(given, first, list(theirs._flat_weights))

    def torchs(given, first):
        outputs, last = theirs(given, first[None])
        return outputs, last[0]

    for mine, expected in zip(gradients(ours), gradients(torchs), strict=True):
        assert (mine - expected).abs().max() <= tolerance * max(expected.abs().max(), 1)
