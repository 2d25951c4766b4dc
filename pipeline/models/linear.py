"""Model ``linear``: linear regression (D2L ch. 3)."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.models import models
from pipeline.models.affine_model import AffineModel


@models.register("linear")
@settings
class Linear(AffineModel):
    """One affine layer on ``numbers``."""

    tasks: ClassVar[tuple[str, ...]] = ("regression",)
