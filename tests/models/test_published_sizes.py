"""Sizes of networks on images: those that are given, and those that are published and stand in their place."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from pipeline.core.types import Spec  # noqa: E402
from pipeline.models import models  # noqa: E402
from pipeline.models.googlenet import STAGES  # noqa: E402
from pipeline.tasks import tasks  # noqa: E402

SPEC = Spec(shapes={"image": (1, 28, 28)}, outputs=1)


@pytest.mark.parametrize(
    ("name", "setting", "sizes"),
    [
        ("alexnet", "channels", [64, 192, 384, 256, 256]),
        ("alexnet", "hidden", [4096, 4096]),
        ("vgg", "hidden", [4096, 4096]),
        ("nin", "channels", [96, 256, 384, 1024]),
        ("googlenet", "channels", [64, 64, 192]),
        ("googlenet", "stages", STAGES),
    ],
)
def test_a_size_that_is_given_is_meant_though_it_be_the_published_one(name, setting, sizes):
    def widths(**settings) -> set[int]:
        with torch.device("meta"):
            model = models.build({"name": name, **settings}, "model").build(SPEC, tasks.build("regression", "task"), 0)
        return {layer.weight.shape[0] for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)}

    published = set(np.hstack([np.ravel(size) for size in sizes]).tolist())
    assert published <= widths(**{setting: sizes})
    assert {size // 4 for size in published} <= widths()
    assert not published <= widths()
