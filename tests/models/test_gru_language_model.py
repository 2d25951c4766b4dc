from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from pipeline.core.types import Spec  # noqa: E402
from pipeline.models import models  # noqa: E402

SPEC = Spec(shapes={"tokens": (6,)}, sizes={"tokens": 11}, outputs=11)


def network(**settings):
    torch.manual_seed(0)
    built = models.build({"name": "gru_language_model", "hidden": 8, "embedding": 5, **settings}, "m")
    return built.build(SPEC, task=None, seed=0).eval()


def tokens(lanes: int, steps: int) -> torch.Tensor:
    return torch.randint(0, 11, (lanes, steps), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("settings", [{}, {"layers": 2}, {"tied": True}, {"tied": True, "embedding": 8}])
def test_windows_with_their_state_give_what_one_long_window_gives(settings):
    model, text = network(**settings), tokens(3, 12)
    whole, _ = model({"tokens": text})
    state, parts = None, []
    for window in text.split(4, dim=1):
        scores, state = model({"tokens": window}, state)
        parts.append(scores)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    assert state.shape[0] == 3  # lanes first


def test_a_fresh_lane_forgets_and_the_others_do_not():
    model, text = network(), tokens(3, 8)
    _, state = model({"tokens": text[:, :4]})
    fresh = torch.tensor([False, True, False])
    scores, _ = model({"tokens": text[:, 4:], "fresh": fresh}, state)
    anew, _ = model({"tokens": text[:, 4:]})
    on, _ = model({"tokens": text[:, 4:]}, state)
    torch.testing.assert_close(scores[1], anew[1])
    torch.testing.assert_close(scores[[0, 2]], on[[0, 2]])
    assert not torch.allclose(on[1], anew[1])


def test_a_fresh_lane_forgets_even_what_is_no_number():
    model, text = network(), tokens(2, 4)
    state = torch.full((2, 1, 8), torch.nan)
    scores, _ = model({"tokens": text, "fresh": torch.tensor([True, True])}, state)
    assert torch.isfinite(scores).all()


def test_tied_weights_lie_in_the_state_once():
    model = network(tied=True)
    assert not any("output" in name for name in model.state_dict())
    pointers = [tensor.data_ptr() for tensor in model.state_dict().values()]
    assert len(set(pointers)) == len(pointers)
    untied = network(embedding=8)
    tied = network(tied=True, embedding=8)
    difference = sum(p.numel() for p in untied.parameters()) - sum(p.numel() for p in tied.parameters())
    assert difference == 8 * 11 + 11
