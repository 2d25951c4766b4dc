"""Model ``softmax``: softmax regression (D2L ch. 4)."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.models import models
from pipeline.models.affine_model import AffineModel


@models.register("softmax")
@settings
class Softmax(AffineModel):
    """One affine layer on ``numbers`` gives the logits; the task takes their softmax."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
