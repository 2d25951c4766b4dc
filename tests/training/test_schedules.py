"""Learning rates against torch.optim.lr_scheduler's own."""

import math

import pytest
import torch
from torch.optim import lr_scheduler

from pipeline.training.schedules import schedules

EPOCHS, STEPS_AN_EPOCH = 7, 11
STEPS = EPOCHS * STEPS_AN_EPOCH


def rates(settings):
    schedule = schedules.build(settings, "schedule")
    return [schedule.factor(step, STEPS, STEPS_AN_EPOCH) for step in range(STEPS)]


def torch_rates(make, *, by_epoch=False):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    values = []
    for step in range(STEPS):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if not by_epoch or (step + 1) % STEPS_AN_EPOCH == 0:
            scheduler.step()
    return values


def test_constant():
    assert rates("constant") == [1.0] * STEPS


def test_step():
    expected = torch_rates(lambda o: lr_scheduler.StepLR(o, step_size=2, gamma=0.3), by_epoch=True)
    assert rates({"name": "step", "every": 2, "decay": 0.3}) == pytest.approx(expected)


def test_cosine():
    expected = torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=STEPS, eta_min=0.05))
    assert rates({"name": "cosine", "final": 0.05}) == pytest.approx(expected, abs=1e-9)


def test_linear():
    expected = torch_rates(lambda o: lr_scheduler.LinearLR(o, 1.0, 0.05, total_iters=STEPS))
    assert rates({"name": "linear", "final": 0.05}) == pytest.approx(expected)


@pytest.mark.parametrize("warm_up", [0.1, 0.3, 0.9])
def test_one_cycle(warm_up):
    numbers = {"div_factor": 25, "final_div_factor": 1e4, "cycle_momentum": False}
    expected = torch_rates(
        lambda o: lr_scheduler.OneCycleLR(o, max_lr=1.0, total_steps=STEPS, pct_start=warm_up, **numbers)
    )
    assert rates({"name": "one_cycle", "warm_up": warm_up}) == pytest.approx(expected, abs=1e-9)


def test_warm_up_then_cosine():
    warm = round(0.2 * STEPS)

    def make(optimizer):
        rising = lr_scheduler.LinearLR(optimizer, start_factor=1 / (warm + 1), end_factor=1.0, total_iters=warm)
        falling = lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS - warm)
        return lr_scheduler.SequentialLR(optimizer, [rising, falling], milestones=[warm])

    assert rates({"name": "cosine", "warm_up": 0.2}) == pytest.approx(torch_rates(make), abs=1e-9)


@pytest.mark.parametrize(
    "name", ["constant", "step", "linear", "cosine", "flat_cosine", "one_cycle", "inverse_square_root"]
)
@pytest.mark.parametrize("warm_up", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_shortest_fits_have_a_positive_rate_at_most_the_base_rate(name, warm_up, steps):
    schedule = schedules.build({"name": name, "warm_up": warm_up}, "schedule")
    for step in range(steps):
        assert 0 < schedule.factor(step, steps, 1) <= 1


def test_inverse_square_root_is_the_papers_formula():
    """lrate = width^-0.5 min(step^-0.5, step warm_up_steps^-1.5), steps counted from 1; here 8 steps of warm-up."""
    width, warm_up_steps, base = 512, 8, 512**-0.5 * 8**-0.5
    expected = [width**-0.5 * min(step**-0.5, step * warm_up_steps**-1.5) for step in range(1, STEPS + 1)]
    found = rates({"name": "inverse_square_root", "warm_up": warm_up_steps / STEPS})
    assert [base * factor for factor in found] == pytest.approx(expected)


def test_coslog4_is_the_papers_formula():
    # RealMLP (Holzmüller et al. 2024), whose first of many steps is at rate 0.
    schedule = schedules.build("coslog4", "schedule")
    for step in range(0, 100_000, 997):
        expected = 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * step / 100_000)))
        assert schedule.factor(step, 100_000, 100) == pytest.approx(expected, abs=2e-3)
    assert schedule.factor(0, 1000, 100) > 0


def test_flat_cosine_is_constant_then_cosine():
    flat = round(0.5 * (STEPS - 1))
    expected = torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=STEPS - flat))[: STEPS - flat]
    found = rates({"name": "flat_cosine", "flat": flat / STEPS})
    assert found[:flat] == [1.0] * flat
    assert found[flat:] == pytest.approx(expected, abs=1e-9)
    assert rates({"name": "flat_cosine", "flat": 0.0}) == pytest.approx(rates("cosine"))
