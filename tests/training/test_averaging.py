"""Averaged weights against their formulas, from the weights that a plain fit has on its way."""

from __future__ import annotations

import pytest
import torch
from neural import job, learner, line

from pipeline.core.errors import UserError
from pipeline.training import loop

FIT = {"optimizer": "sgd", "learning_rate": 0.05, "epochs": 6, "batch_size": 50}


@pytest.fixture
def on_the_way(monkeypatch):
    """Weights before the first step, and after each: 4 an epoch."""
    seen = []

    def watched(*given):
        network, optimizer = given[2], given[3]
        if not seen:
            seen.append(network.affine.weight.detach().clone())
        step = optimizer.step

        def noted():
            step()
            seen.append(network.affine.weight.detach().clone())

        optimizer.step = noted
        train_epoch(*given)
        optimizer.step = step

    train_epoch = loop.train_epoch
    monkeypatch.setattr(loop, "train_epoch", watched)
    return seen


def test_the_last_epochs_have_a_mean(on_the_way):
    fitted = learner(**FIT, average={"last": 3}).fit(job(valid=line(40, 1)))
    torch.testing.assert_close(fitted.network.affine.weight.data, torch.stack(on_the_way[4::4][-3:]).mean(0))
    plain = learner(**FIT).fit(job(valid=line(40, 1)))
    assert fitted.curves["train_loss"] == plain.curves["train_loss"]  # it goes the same way
    assert fitted.curves["valid_loss"][:4] == plain.curves["valid_loss"][:4]
    assert fitted.curves["valid_loss"][4:] != plain.curves["valid_loss"][4:]
    both = learner(**{**FIT, "epochs": 2}, average={"last": 5}).fit(job())  # fewer epochs than it would average
    torch.testing.assert_close(both.network.affine.weight.data, torch.stack(on_the_way[4:9:4]).mean(0))


def test_every_step_moves_the_exponential_average(on_the_way):
    fitted = learner(**FIT, ema=0.8).fit(job(valid=line(40, 1)))
    average = on_the_way[0].double()
    for t, weights in enumerate(on_the_way[1:], 1):
        decay = min(0.8, (1 + t) / (10 + t))
        average = decay * average + (1 - decay) * weights
    torch.testing.assert_close(fitted.network.affine.weight.data, average.float())
    own, _ = fitted.validate(loop.Examples(line(40, 1), torch.device("cpu")), torch.nn.MSELoss(reduction="none"), False)
    assert own == pytest.approx(fitted.curves["valid_loss"][-1])


def test_early_stopping_keeps_the_best_epoch_s_average():
    stopping = {"patience": 2, "monitor": "loss"}
    fitted = learner(**{**FIT, "learning_rate": 0.9}, ema=0.99, early_stopping=stopping).fit(job(valid=line(40, 1)))
    own, _ = fitted.validate(loop.Examples(line(40, 1), torch.device("cpu")), torch.nn.MSELoss(reduction="none"), False)
    assert own == pytest.approx(min(fitted.curves["valid_loss"]))


def test_statistics_of_batches_are_averaged_and_counts_are_the_last():
    mlp = {"name": "mlp", "hidden": [4], "normalization": "batch"}
    state = learner(**FIT, ema=0.8).fit(job(mlp)).network.state_dict()
    counts = [int(value) for name, value in state.items() if name.endswith("num_batches_tracked")]
    assert counts == [24]


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"average": {"last": 3}, "ema": 0.9}, "two ways"), ({"average": {}, "early_stopping": {}}, "last epochs")],
)
def test_what_does_not_go_together_is_refused(settings, told):
    with pytest.raises(UserError, match=told):
        learner(**settings)


def test_averaged_fits_stack_with_none():
    one = job({"name": "mlp"})
    assert learner().stack_key(one.model, one.task) is not None
    assert learner(ema=0.9).stack_key(one.model, one.task) is None
    assert learner(average={"last": 2}).stack_key(one.model, one.task) is None
