"""A backbone of timm's own tests, with weights by chance in a file."""

from __future__ import annotations

import atexit
import importlib.util
import os
import tempfile
from functools import cache
from pathlib import Path

from pipeline.core.operators import declare_torchvision

THERE = importlib.util.find_spec("timm") is not None
if THERE:
    declare_torchvision()  # tests ask timm themselves
NAME = "test_resnet"
WEIGHTS = Path(tempfile.gettempdir()) / f"tiny-backbone-{os.getpid()}.safetensors"
"""Where ``tiny_backbone`` is made, once it is asked for."""


@cache
def tiny_backbone(name: str = NAME, file: Path = WEIGHTS) -> Path:
    """Its weights, classifier included, normalisations as after training; needs timm."""
    import timm
    import torch
    from safetensors.torch import save_file

    atexit.register(file.unlink, missing_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = timm.create_model(name, pretrained=False)
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 1.5)
        save_file(made.state_dict(), file)
    return file
