"""Operators of a library whose compiled part does not fit the torch that is installed."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

TAKEN_FOR_GRANTED = ("nms", "qnms")
"""By torchvision's Python part, which fails without them; neither a backbone nor an encoder of texts calls them."""

IMPORTED_BY = ("timm", "transformers", "torchvision")


@cache
def declare_torchvision() -> None:
    """Let torchvision, where it is installed, be imported although its compiled part does not load: that of PyPI is
    for CUDA, beside a torch for processors alone. Called before what imports it: timm, and transformers too."""
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return
    import torch

    try:
        for library in sorted(Path(found.origin).parent.glob("_C.*")):
            torch.ops.load_library(library)
    except (OSError, RuntimeError):
        for operator in TAKEN_FOR_GRANTED:
            kind = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define(f"torchvision::{operator}", kind)
