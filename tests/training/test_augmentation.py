"""Augmentations against plain references, and what they hang on: seed, epoch and example alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.stats import kstest

from pipeline.core.errors import Faults
from pipeline.core.registry import build_settings
from pipeline.core.seeds import derive_seed
from pipeline.core.stored import Stored
from pipeline.core.types import FitJob, Spec
from pipeline.models import models
from pipeline.models.layers.image_network import PART, PARTNER, planes
from pipeline.tasks import tasks
from pipeline.training.augmentation import augmentations
from pipeline.training.augmentation.base import Augmentation, Draws
from pipeline.training.augmentation.geometry import warped
from pipeline.training.augmented import augmented, loss_of
from pipeline.training.neural import Neural

CPU = torch.device("cpu")
IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (40, 3, 9, 12))).float()
INDEX = torch.arange(40)


def built(name: str, **settings) -> Augmentation:
    return augmentations.build({"name": name, **settings}, "here")


def applied(*parts, images=IMAGES, index=INDEX, seed=1) -> torch.Tensor:
    made = [part if isinstance(part, Augmentation) else built(part) for part in parts]
    return augmented(made, {"image": images}, index, seed)["image"]


def draws(seed: int = 1, index: torch.Tensor = INDEX) -> Draws:
    return Draws(seed, index, CPU)


def test_draws_are_even_and_unlike_for_every_example_name_and_seed():
    many = draws(index=torch.arange(20_000))
    one, other = many.numbers("one"), many.numbers("other")
    assert kstest(one, "uniform").pvalue > 0.01 and kstest(other, "uniform").pvalue > 0.01
    for against in (other, Draws(2, torch.arange(20_000), CPU).numbers("one"), np.roll(one, 1)):
        assert abs(np.corrcoef(one, against)[0, 1]) < 0.03
    assert one.min() >= 0 and one.max() < 1 and len(set(one)) == 20_000


@pytest.mark.parametrize("name", list(augmentations))
def test_what_an_example_gets_hangs_on_nobody_it_stands_beside(name):
    part = built(name)
    assert type(part).__doc__
    if part.mixes:
        own = part.mixed(IMAGES, INDEX.roll(1), draws())[1]
        few = part.mixed(IMAGES[5:9], torch.arange(4).roll(1), draws(index=INDEX[5:9]))[1]
        torch.testing.assert_close(few, own[5:9])
        return
    whole = applied(part)
    order = torch.tensor([7, 3, 30])
    torch.testing.assert_close(applied(part, images=IMAGES[order], index=order), whole[order])
    assert not torch.equal(whole, IMAGES) and not torch.equal(applied(part, seed=2), whole)
    assert whole.shape == IMAGES.shape and whole.min() >= 0 and whole.max() <= 255.01
    before = IMAGES.clone()
    applied(part)
    assert torch.equal(IMAGES, before)


@pytest.mark.parametrize("name", list(augmentations))
def test_grey_images_do_too(name):
    grey = IMAGES[:, :1]
    changed = augmented([built(name)], {"image": grey, "target": torch.zeros(40)}, INDEX, 1)["image"]
    assert changed.shape == grey.shape
    if name == "colour":
        torch.testing.assert_close(changed, grey)


def test_flip():
    flipped = applied(built("flip", direction="vertical", chance=0.3))
    own = [torch.equal(one, other) for one, other in zip(flipped, IMAGES)]
    turned = [torch.equal(one, other.flip(1)) for one, other in zip(flipped, IMAGES)]
    assert all(one or other for one, other in zip(own, turned)) and 4 < sum(turned) < 20
    assert torch.equal(applied(built("flip", chance=1.0)), IMAGES.flip(3))


def test_crop_is_a_window_of_the_padded_image():
    cropped, seen = applied(built("crop", padding=2)).numpy(), set()
    padded = np.pad(IMAGES.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)))
    for image, whole in zip(cropped, padded):
        places = [(i, j) for i in range(5) for j in range(5) if np.array_equal(image, whole[:, i : i + 9, j : j + 12])]
        assert len(places) == 1
        seen |= set(places)
    assert {i for i, _ in seen} == {j for _, j in seen} == set(range(5))


@pytest.mark.parametrize("names", [("rotation",), ("scale",), ("shift",), ("scale", "rotation", "shift")])
def test_warps_are_those_of_scipy(names):
    """``affine_transform`` at order 1 on each channel, with the same matrix about the middle; and warps that follow
    each other are one, with the last one's places first."""
    parts = [built(name) for name in names]
    matrix = torch.eye(3).expand(40, 3, 3)
    for place, part in enumerate(parts):
        matrix = matrix @ part.matrix(9, 12, draws(derive_seed(1, place, part.name)))
    found = applied(*parts)
    middle = np.array([4.0, 5.5])
    for image, own, changed in zip(IMAGES.numpy(), matrix.double().numpy(), found.numpy()):
        turn = own[:2, :2][::-1, ::-1]  # scipy counts rows first
        offset = middle - turn @ middle + own[:2, 2][::-1]
        for channel, result in zip(image, changed):
            padded = np.pad(channel, 8)  # so that beyond the edge is black, as there
            inside = ndimage.affine_transform(padded, turn, offset + 8 - turn @ np.array([8.0, 8.0]), order=1)
            np.testing.assert_allclose(result, inside[8:-8, 8:-8], atol=0.02)


def test_what_is_drawn_for_warps_lies_within_its_bounds():
    turns = built("rotation", degrees=30).matrix(9, 12, draws(index=torch.arange(5000)))
    angles = torch.atan2(turns[:, 1, 0], turns[:, 0, 0]).rad2deg()
    assert -30 <= angles.min() < -28 and 28 < angles.max() <= 30
    moves = built("shift", by=0.5).matrix(10, 20, draws(index=torch.arange(5000)))
    assert 9.5 < moves[:, 0, 2].abs().max() <= 10 and 4.7 < moves[:, 1, 2].abs().max() <= 5
    sizes = 1 / built("scale", least=0.5, most=2).matrix(9, 12, draws(index=torch.arange(5000)))[:, 0, 0]
    assert 0.5 <= sizes.min() < 0.52 and 1.95 < sizes.max() <= 2 and abs(sizes.log().mean()) < 0.03


def test_a_whole_pixel_moves_a_whole_pixel_and_black_comes_in():
    matrix = torch.eye(3).repeat(40, 1, 1)
    matrix[:, 0, 2] = -2
    moved = warped(IMAGES, matrix)
    torch.testing.assert_close(moved[..., 2:], IMAGES[..., :-2], atol=1e-3, rtol=0)
    assert moved[..., :2].abs().max() < 1e-3


def blended(image: np.ndarray, other: np.ndarray, factor: np.ndarray) -> np.ndarray:
    factor = factor.reshape(-1, 1, 1, 1)
    return np.clip(image * factor + other * (1 - factor), 0, 255)


def test_brightness_contrast_and_colour_are_blends():
    """With black, with the mean grey, with the image in grey: as Pillow's ImageEnhance has it."""
    image = IMAGES.numpy().astype(np.float64)
    grey = np.einsum("nchw,c->nhw", image, [0.299, 0.587, 0.114])[:, None]
    for name, other in (
        ("brightness", np.zeros_like(image)),
        ("contrast", np.broadcast_to(grey.mean(axis=(1, 2, 3), keepdims=True), image.shape)),
        ("colour", np.broadcast_to(grey, image.shape)),
    ):
        factor = draws(derive_seed(1, 0, name)).uniform("factor", 0.4, 1.6).numpy()
        np.testing.assert_allclose(applied(built(name, by=0.6)), blended(image, other, factor), atol=1e-3)


def test_erasing_covers_a_rectangle_of_the_asked_area_with_the_mean():
    images = IMAGES[:1].expand(3000, 3, 9, 12)
    erased = applied(built("erasing", chance=0.6, least=0.1, most=0.4), images=images, index=torch.arange(3000))
    mean = images[0].mean(dim=(1, 2))
    covered = (erased - mean[:, None, None]).abs().amax(dim=1) < 1e-3  # [3000, 9, 12]
    touched = covered.any(dim=(1, 2))
    assert abs(touched.float().mean() - 0.6) < 0.04
    assert torch.equal(erased[~touched], images[~touched])
    for mask in covered[touched][:200].numpy():
        rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()  # one block
        assert mask.sum() == (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
    areas = covered[touched].float().mean(dim=(1, 2))
    assert areas.min() > 0.04 and areas.max() < 0.48 and abs(areas.mean() - 0.24) < 0.03


def test_mixup_and_cutmix_put_two_images_into_one():
    batch = {"image": IMAGES, "target": torch.arange(40)}
    mixed = augmented([built("mixup", alpha=0.7)], batch, INDEX, 1)
    part, partner = mixed[PART].view(-1, 1, 1, 1), mixed[PARTNER]
    torch.testing.assert_close(mixed["image"], part * IMAGES + (1 - part) * IMAGES[partner])
    assert (partner != INDEX).all() and part.min() < 0.1 and part.max() > 0.9
    cut = augmented([built("cutmix")], batch, INDEX, 1)
    theirs = (cut["image"] == IMAGES[cut[PARTNER]]).all(dim=1) & (cut["image"] != IMAGES).any(dim=1)
    np.testing.assert_allclose(1 - theirs.float().mean(dim=(1, 2)), cut[PART], atol=0.02)
    rare = augmented([built("mixup", chance=0.25)], batch, INDEX, 1)[PART]
    assert 20 < (rare == 1).sum() < 38


def test_parts_of_mixup_follow_their_distribution():
    parts = built("mixup", alpha=0.4).part(draws(index=torch.arange(20_000))).double().numpy()
    assert kstest(parts, "beta", args=(0.4, 0.4)).pvalue > 0.01


def test_the_loss_of_two_in_one_is_that_of_soft_targets():
    """Cross-entropy is linear in the target: torch's own with probabilities gives the same, weights of rows too."""
    task = tasks.build("classification", "task")
    output, target = torch.randn(40, 5), torch.arange(40) % 5
    mixed = augmented([built("mixup")], {"image": IMAGES, "target": target}, INDEX, 1)
    criterion = build_settings(Neural, {}, "fit").criterion(job(), CPU)
    total, count = loss_of(task, output, mixed, criterion)
    part, hard = mixed[PART][:, None], torch.nn.functional.one_hot(target, 5).float()
    soft = part * hard + (1 - part) * hard[mixed[PARTNER]]
    torch.testing.assert_close(total, torch.nn.functional.cross_entropy(output, soft, reduction="sum"))
    assert count == 40
    weight = torch.rand(40)
    total, _ = loss_of(task, output, {**mixed, "row_weight": weight}, criterion)
    theirs = weight[mixed[PARTNER]][:, None]
    scaled = part * weight[:, None] * hard + (1 - part) * theirs * hard[mixed[PARTNER]]
    torch.testing.assert_close(total, -(scaled * output.log_softmax(1)).sum())


def job(checkpoint=None, rounds=3) -> FitJob:
    images = np.random.default_rng(1).integers(0, 256, (48, 8, 8, 1)).astype(np.uint8)
    return FitJob(
        model=models.build({"name": "lenet", "channels": [4], "hidden": [8], "kernel": 3}, "model"),
        task=tasks.build("classification", "task"),
        spec=Spec(shapes={"image": (1, 8, 8)}, outputs=3, scales={"image": {"mean": [128.0], "spread": [70.0]}}),
        train={"image": Stored([images]), "target": np.arange(48) % 3},
        valid=None,
        seed=4,
        rounds=rounds,
        checkpoint=checkpoint,
    )


FIT = {"epochs": 3, "batch_size": 16, "augmentation": ["flip", "rotation", "cutmix"], "device": "cpu"}


def test_a_fit_that_was_broken_off_sees_the_same_images(tmp_path, monkeypatch):
    """Killed amid an epoch, it goes on to the very weights of one that was not."""
    whole = build_settings(Neural, FIT, "fit").fit(job()).network.state_dict()
    plain = build_settings(Neural, {**FIT, "augmentation": []}, "fit").fit(job()).network.state_dict()
    monkeypatch.setattr("pipeline.training.checkpoints.SECONDS", 0.0)
    seen = 0

    def killed(*arguments):
        nonlocal seen
        seen += 1
        if seen == 5:  # of 3 minibatches an epoch
            raise KeyboardInterrupt
        return augmented(*arguments)

    monkeypatch.setattr("pipeline.training.loop.augmented", killed)
    with pytest.raises(KeyboardInterrupt):
        build_settings(Neural, FIT, "fit").fit(job(tmp_path))
    monkeypatch.setattr("pipeline.training.loop.augmented", augmented)
    resumed = build_settings(Neural, FIT, "fit").fit(job(tmp_path)).network.state_dict()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert not all(torch.equal(plain[name], whole[name]) for name in whole)


def test_answers_are_the_mean_over_views():
    settings = build_settings(Neural, {**FIT, "test_time": {"flip": "horizontal", "shift": 1}}, "fit")
    fitted, image = settings.fit(job()), planes(torch.from_numpy(job().train["image"].read()))
    padded = np.pad(image.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    moves = [padded[:, :, i : i + 8, j : j + 8] for i, j in ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2))]
    padded = padded[..., ::-1]
    moves += [padded[:, :, i : i + 8, j : j + 8] for i, j in ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2))]
    with torch.inference_mode():
        each = [fitted.network({"image": torch.from_numpy(move.copy())})[0] for move in moves]
    np.testing.assert_allclose(fitted.raw(job().train), torch.stack(each).mean(0), atol=1e-5)


@pytest.mark.parametrize(
    ("augmentation", "message"),
    [
        (["mixup", "flip"], "mixup or cutmix stands last"),
        (["mixup", "cutmix"], "there is one at most"),
        ([{"name": "scale", "least": 2}], "least is the smaller factor"),
        ([{"name": "erasing", "least": 0.5}], "least is the smaller part"),
        (["flop"], "augmentation.0: needs one of brightness"),
    ],
)
def test_settings_that_cannot_be_are_refused(augmentation, message):
    with pytest.raises(Faults, match=message):
        build_settings(Neural, {"augmentation": augmentation}, "fit")
