"""Columns beside an image of which mixup and cutmix make one of two: they are to count by the same parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from backbones import NAME, THERE, tiny_backbone
from neural import learner

from pipeline.core.types import FitJob, Spec
from pipeline.models import models
from pipeline.models.layers.image_network import PART, PARTNER
from pipeline.tasks import tasks

CLASSIFICATION = tasks.build("classification", "task")
NETWORKS = [
    {"name": "lenet", "channels": [4], "hidden": [8]},
    {"name": "resnet", "blocks": [[1, 4]]},
    pytest.param(
        {"name": "pretrained_image", "backbone": NAME},
        marks=pytest.mark.skipif(not THERE, reason="timm is not installed"),
    ),
]


@pytest.mark.parametrize("settings", NETWORKS)
def test_what_columns_add_is_mixed_as_the_image_is(settings):
    weights = {"weights": str(tiny_backbone())} if settings["name"] == "pretrained_image" else {}
    torch.manual_seed(0)
    spec = Spec(shapes={"image": (1, 32, 32), "numbers": (2,)}, sizes={"categories": [3]}, outputs=3)
    network = models.build({**settings, **weights}, "model").build(spec, CLASSIFICATION, 0).eval()
    numbers, categories = torch.randn(4, 2), torch.tensor([[0], [1], [2], [1]])
    batch = {"image": torch.randn(4, 1, 32, 32), "numbers": numbers, "categories": categories}
    partner, part = torch.arange(4).roll(1), torch.tensor([1.0, 0.75, 0.5, 0.0])
    with torch.no_grad():
        plain, _ = network(batch)
        mixed, _ = network({**batch, PARTNER: partner, PART: part})
        added = torch.cat([numbers, network.side.categories(categories)], 1) @ network.beside.weight.T
    own = part[:, None]
    torch.testing.assert_close(mixed, plain - added + own * added + (1 - own) * added[partner])
    torch.testing.assert_close(mixed[0], plain[0])
    assert not torch.allclose(mixed[1:], plain[1:])


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_a_number_that_tells_the_target_is_learned_through_mixing(name):
    """The images tell nothing. Trained towards the partner's label as well, the number would be trusted less."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 256)
    job = FitJob(
        model=models.build({"name": "lenet", "channels": [4], "hidden": [8], "kernel": 3}, "model"),
        task=CLASSIFICATION,
        spec=Spec(shapes={"image": (1, 8, 8), "numbers": (1,)}, outputs=2),
        train={
            "image": rng.normal(size=(256, 1, 8, 8)).astype(np.float32),
            "numbers": (target * 2 - 1).astype(np.float32)[:, None],
            "target": target,
        },
        valid=None,
        seed=0,
    )
    fit = learner(epochs=30, learning_rate=0.02, augmentation=[{"name": name, "alpha": 1.0}], device="cpu")
    probable = torch.from_numpy(fit.fit(job).raw(job.train)).softmax(1)  # [256, 2]
    assert probable[torch.arange(256), torch.from_numpy(target)].mean() > 0.9
