"""A member of a stack learns what it would learn alone: in ``loop.py``, or in any other company."""

import numpy as np
import pytest
import torch

from pipeline.core.errors import Diverged, UserError
from pipeline.core.files import read_json
from pipeline.core.registry import build_settings
from pipeline.core.types import FitJob, Spec
from pipeline.models import models
from pipeline.tasks import tasks
from pipeline.training import learners, member
from pipeline.training.data import widest
from pipeline.training.stacking import fit_together, split, train_until

STACKING = [name for name in models if getattr(models.get(name), "stacks", False)]
SMALL = {"tabm": {"hidden": [16], "submodels": 4}, "realmlp": {"hidden": [16, 16]}}
FITS = {
    "adam": {"optimizer": "adam", "learning_rate": 3e-3, "schedule": "one_cycle", "epochs": 6},
    "sgd": {"optimizer": "sgd", "learning_rate": 1e-2, "weight_decay": 1e-2, "gradient_clip": 0.5, "epochs": 6},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1, "epochs": 12, "early_stopping": {"patience": 2}},
}


def fit(**settings):
    return build_settings(learners.get("neural"), {"batch_size": 32, "learning_rate": 3e-3, **settings}, "fit")


def job(seed: int, model, task, rows: int = 100, columns: int = 9, checkpoint=None, levels: int = 5) -> FitJob:
    """Rows with a truth a network can learn; folds differ in rows, in columns and in levels."""
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(rows + 40, columns)).astype(np.float32)
    categories = random.integers(0, levels, size=(rows + 40, 2))
    truth = numbers @ random.normal(size=(columns, 1)) + (categories[:, :1] == 1)
    target = truth.astype(np.float32) if task.name == "regression" else (truth[:, 0] > 0).astype(np.int64)
    encoded = {"numbers": numbers, "target": target}
    shapes, sizes = {"numbers": (columns,)}, {}
    if "categories" in {*model.needs, *getattr(model, "may_read", ())}:
        encoded["categories"] = categories
        shapes["categories"], sizes["categories"] = (2,), [levels, levels]
    outputs = 1 if task.name == "regression" else 2

    def score(raw: np.ndarray) -> float:
        if task.name == "classification":
            return float((raw.argmax(axis=1) != target[rows:]).mean())
        return float(np.mean((raw - target[rows:]) ** 2))

    return FitJob(
        model=model,
        task=task,
        spec=Spec(shapes=shapes, sizes=sizes, outputs=outputs),
        train={name: array[:rows] for name, array in encoded.items()},
        valid={name: array[rows:] for name, array in encoded.items()},
        seed=seed,
        score=score,
        checkpoint=checkpoint,
    )


def folds(model, task, learner, **changes) -> tuple[list, list[FitJob]]:
    """Five members: trials of other rates on folds of other sizes and widths."""
    jobs = [job(i, model, task, rows=100 + i // 2, columns=9 + i % 3, levels=4 + i % 2, **changes) for i in range(5)]
    bodies = [{"learning_rate": learner.learning_rate * (1 + i % 2)} for i in range(5)]
    return [with_changes(learner, body) for body in bodies], jobs


def with_changes(learner, body):
    from dataclasses import replace

    return replace(learner, **body)


def answers(fits, jobs) -> list[np.ndarray]:
    return [fitted.raw(job.valid) for fitted, job in zip(fits, jobs, strict=True)]


@pytest.mark.parametrize("optimizer", FITS)
@pytest.mark.parametrize("name", STACKING)
def test_every_model_that_stacks_learns_in_the_stack_what_it_learns_alone(name, optimizer):
    for task_name in models.get(name).tasks:
        task, model = tasks.build(task_name, "task"), models.build({"name": name, **SMALL.get(name, {})}, "model")
        trials, jobs = folds(model, task, fit(**FITS[optimizer]))
        together = fit_together(trials, jobs, widest([job.spec for job in jobs]))
        alone = [learner.fit(job) for learner, job in zip(trials, jobs, strict=True)]
        for mine, theirs, inputs in zip(together, alone, jobs, strict=True):
            np.testing.assert_allclose(mine.raw(inputs.valid), theirs.raw(inputs.valid), rtol=1e-5, atol=1e-5)
            assert mine.rounds == theirs.rounds
            assert mine.curves.keys() == theirs.curves.keys()
            for curve in mine.curves:
                np.testing.assert_allclose(mine.curves[curve], theirs.curves[curve], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "body",
    [
        {"hidden": [16, 8], "dropout": 0.3, "activation": "gelu"},
        {"hidden": [16], "normalization": "batch"},
        {"hidden": [16], "normalization": "layer", "activation": "tanh"},
    ],
)
def test_dropout_and_normalisation_are_each_members_own(body):
    task = tasks.build("regression", "task")
    shapes = [models.build({"name": "mlp", **body, "dropout": rate}, "model") for rate in (body.get("dropout", 0), 0.1)]
    trials, jobs = folds(shapes[0], task, fit(**FITS["adam"]))
    jobs[1::2] = [with_changes(job, {"model": shapes[1]}) for job in jobs[1::2]]
    together = fit_together(trials, jobs, widest([job.spec for job in jobs]))
    alone = [learner.fit(job) for learner, job in zip(trials, jobs, strict=True)]
    for mine, theirs in zip(answers(together, jobs), answers(alone, jobs), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["mlp", "linear"])
def test_who_shares_the_stack_makes_no_difference_to_the_last_bit(name):
    task, model = tasks.build("regression", "task"), models.build(name, "model")
    for settings in FITS.values():
        trials, jobs = folds(model, task, fit(**settings))
        wide = widest([job.spec for job in jobs])
        whole = fit_together(trials, jobs, wide)
        for part in ([0, 1], [4, 2, 3], [3]):
            some = fit_together([trials[i] for i in part], [jobs[i] for i in part], wide)
            for i, fitted in zip(part, some, strict=True):
                assert np.array_equal(whole[i].raw(jobs[i].valid), fitted.raw(jobs[i].valid))
                assert whole[i].curves == fitted.curves


def test_members_leave_when_they_are_done_and_the_others_go_on():
    task, model = tasks.build("regression", "task"), models.build("mlp", "model")
    lengths = [3, 9, 5, 7]
    trials = [fit(epochs=length, schedule="cosine") for length in lengths]
    jobs = [job(i, model, task) for i in range(4)]
    together = fit_together(trials, jobs, jobs[0].spec)
    assert [len(fitted.curves["train_loss"]) for fitted in together] == lengths
    for fitted, learner, one in zip(together, trials, jobs, strict=True):
        np.testing.assert_allclose(fitted.raw(one.valid), learner.fit(one).raw(one.valid), rtol=1e-5, atol=1e-5)


def test_a_member_that_diverges_does_not_disturb_the_others():
    task, model = tasks.build("regression", "task"), models.build("linear", "model")
    trials = [fit(optimizer="sgd", learning_rate=rate, epochs=8) for rate in (1e-2, 1e12, 1e-3)]
    jobs = [job(i, model, task) for i in range(3)]
    good, bad, fine = fit_together(trials, jobs, jobs[0].spec)
    assert isinstance(bad, Diverged)
    assert "lower fit.learning_rate (1e+12)" in str(bad)
    alone = fit_together([trials[0], trials[2]], [jobs[0], jobs[2]], jobs[0].spec)
    for mine, theirs in zip((good, fine), alone, strict=True):
        assert mine.curves == theirs.curves


def test_members_have_their_own_label_smoothing():
    task, model = tasks.build("classification", "task"), models.build("softmax", "model")
    smoothings = [0.0, 0.2, 0.4]
    trials = [fit(loss={"name": "cross_entropy", "label_smoothing": smoothing}, epochs=5) for smoothing in smoothings]
    assert len({learner.stack_key(model, task) for learner in trials}) == 1
    jobs = [job(1, model, task) for _ in smoothings]
    for mine, learner, one in zip(fit_together(trials, jobs, jobs[0].spec), trials, jobs, strict=True):
        np.testing.assert_allclose(mine.raw(one.valid), learner.fit(one).raw(one.valid), rtol=1e-5, atol=1e-5)


def test_what_cannot_share_a_program_has_another_key():
    task = tasks.build("regression", "task")
    narrow, wide = (models.build({"name": "mlp", "hidden": [width]}, "model") for width in (8, 16))
    assert fit().stack_key(narrow, task) != fit().stack_key(wide, task)
    assert fit(batch_size=64).stack_key(narrow, task) != fit(batch_size=32).stack_key(narrow, task)
    assert fit(optimizer="adam").stack_key(narrow, task) != fit(optimizer="sgd").stack_key(narrow, task)
    assert fit(learning_rate=0.1).stack_key(narrow, task) == fit(learning_rate=0.2, epochs=3).stack_key(narrow, task)
    assert fit(sampling="bucketed").stack_key(narrow, task) is None
    ridge = models.build("ridge", "model")
    assert build_settings(learners.get("estimator"), {}, "fit").stack_key(ridge, task) is None


def test_a_stack_goes_on_from_its_checkpoints_to_the_same_bits(tmp_path, monkeypatch):
    task, model = tasks.build("regression", "task"), models.build({"name": "mlp", "dropout": 0.2}, "model")
    learner = fit(epochs=9, schedule="one_cycle", early_stopping={"patience": 5})
    trials, undisturbed = folds(model, task, learner)
    wide = widest([job.spec for job in undisturbed])
    expected = fit_together(trials, undisturbed, wide)
    jobs = [with_changes(one, {"checkpoint": tmp_path / str(i)}) for i, one in enumerate(undisturbed)]
    # Some are further than others, as a kill in the middle of writing leaves them.
    scores = train_until(trials[:2], jobs[:2], wide, [4, 4]) + train_until(trials[2:4], jobs[2:4], wide, [2, 2])
    assert scores == [fitted.curves["valid_score"][epoch] for fitted, epoch in zip(expected, (3, 3, 1, 1))]
    trained = []
    begin = member.Member.begin
    monkeypatch.setattr(member.Member, "begin", lambda *a: trained.append(begin(*a)) or trained[-1])
    again = fit_together(trials, jobs, wide)
    assert [len(one.progress.curves["train_loss"]) for one in trained] == [
        len(f.curves["train_loss"]) for f in expected
    ]
    for mine, theirs, one in zip(again, expected, jobs, strict=True):
        assert np.array_equal(mine.raw(one.valid), theirs.raw(one.valid))
        assert mine.curves == theirs.curves
    # Other rows, other weights: a checkpoint of theirs serves nobody else.
    other = with_changes(job(77, model, task), {"checkpoint": tmp_path / "0"})
    assert begin(trials[0], other).progress.epoch == 0


def test_of_a_member_that_diverges_the_last_good_checkpoint_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(member, "SECONDS", 0.0)
    task, model = tasks.build("regression", "task"), models.build("mlp", "model")
    jobs = [job(i, model, task, checkpoint=tmp_path / str(i)) for i in range(2)]
    jobs[1].score = breaks_off(2)
    good, bad = fit_together([fit(epochs=4)] * 2, jobs, jobs[0].spec)
    assert len(good.curves["train_loss"]) == 4 and "valid score became nan in epoch 3" in str(bad)
    kept = [read_json(tmp_path / str(i) / "member" / "progress.json") for i in range(2)]
    assert [(one["epoch"], one["fault"]) for one in kept] == [(4, None), (2, None)]


def test_a_rungs_score_is_of_its_own_epoch_however_far_a_killed_run_went(tmp_path):
    task, model = tasks.build("regression", "task"), models.build("mlp", "model")
    jobs = [job(i, model, task, checkpoint=tmp_path / str(i)) for i in range(3)]
    # The first goes on improving; the second diverges after the rung; the third stopped before it.
    trials = [fit(epochs=12, schedule="one_cycle"), fit(epochs=12), fit(epochs=12, early_stopping={"patience": 1})]
    limits = {1: 5, 2: 1}
    for i, limit in limits.items():
        jobs[i].score = breaks_off(limit) if i == 1 else lambda raw: 1.0  # never better than after one epoch
    undisturbed = train_until(trials, jobs, jobs[0].spec, [3, 3, 3])
    first, second, third = fit_together(trials, jobs, jobs[0].spec)  # what a killed run may have done of it
    assert len(first.curves["valid_score"]) == 12 and isinstance(second, Diverged) and third.rounds == 1
    train_until(trials, jobs, jobs[0].spec, [12, 12, 12])  # keeps them where they are
    assert train_until(trials, jobs, jobs[0].spec, [3, 3, 3]) == undisturbed
    assert undisturbed[0] == first.curves["valid_score"][2] != first.curves["valid_score"][-1]
    assert isinstance(train_until(trials, jobs, jobs[0].spec, [6, 6, 6])[1], Diverged)


def breaks_off(epochs: int):
    """A score that is a number for so many epochs."""
    calls = []
    return lambda raw: calls.append(1) or (float(len(calls)) if len(calls) <= epochs else float("nan"))


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_given_rounds_end_where_they_end_alone(schedule):
    task, model = tasks.build("regression", "task"), models.build("mlp", "model")
    trials = [fit(epochs=epochs, schedule=schedule, early_stopping={"patience": 1}) for epochs in (9, 9, 4)]
    jobs = [with_changes(job(i, model, task), {"valid": None, "rounds": rounds}) for i, rounds in enumerate((3, 5, 6))]
    for mine, learner, one in zip(fit_together(trials, jobs, jobs[0].spec), trials, jobs, strict=True):
        alone = learner.fit(one)
        assert mine.rounds == alone.rounds == one.rounds
        assert mine.curves["learning_rate"] == alone.curves["learning_rate"]
        np.testing.assert_allclose(mine.raw(one.train), alone.raw(one.train), rtol=1e-5, atol=1e-5)


def test_jobs_are_split_evenly_within_the_budget_and_over_all_workers():
    jobs = list(range(80))
    parts = split(jobs, 15, 2)
    assert [job for part in parts for job in part] == jobs
    assert max(map(len, parts)) <= 15
    assert len(parts) % 2 == 0
    assert [len(part) for part in split([1, 2, 3, 4, 5], 100, 2)] == [2, 3]
    assert split([1], 100, 8) == [[1]]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_the_stack_learns_what_the_cpu_does():
    task, model = tasks.build("regression", "task"), models.build("mlp", "model")
    trials, jobs = folds(model, task, fit(epochs=4))
    wide = widest([job.spec for job in jobs])
    there = fit_together([with_changes(one, {"device": "cuda"}) for one in trials], jobs, wide)
    here = fit_together([with_changes(one, {"device": "cpu"}) for one in trials], jobs, wide)
    for mine, theirs in zip(answers(there, jobs), answers(here, jobs), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-3)


def test_the_widest_spec_is_as_wide_as_each_fold_s_even_where_one_has_more_columns_of_levels():
    folds = [
        Spec(shapes={"numbers": (7,), "categories": (1,)}, sizes={"categories": [9], "continuous": 3}),
        Spec(shapes={"numbers": (5,), "categories": (2,)}, sizes={"categories": [8, 12], "continuous": 3}),
    ]
    wide = widest(folds)
    assert wide.shapes == {"numbers": (7,), "categories": (2,)}
    assert wide.sizes == {"categories": [9, 12], "continuous": 3}


def test_a_member_that_diverges_is_not_scored_and_the_others_go_on():
    def score(raw):
        if not np.isfinite(raw).all():
            raise UserError("every prediction must be a finite number")
        return float(np.square(raw).mean())

    task, model = tasks.build("regression", "task"), models.build("mlp", "model")
    trials, jobs = folds(model, task, fit(epochs=6))
    jobs = [with_changes(one, {"score": score}) for one in jobs]
    trials[1] = with_changes(trials[1], {"learning_rate": 1e30})
    fits = fit_together(trials, jobs, widest([one.spec for one in jobs]))
    assert isinstance(fits[1], Diverged) and "loss became" in str(fits[1])
    assert all(not isinstance(one, Diverged) for i, one in enumerate(fits) if i != 1)
