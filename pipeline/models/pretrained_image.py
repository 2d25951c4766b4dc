"""Model ``pretrained_image``: a network that learned from other images, trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from torch import nn


@models.register("pretrained_image")
@settings
class PretrainedImage(Model):
    """A backbone as timm has it (Wightman 2019), dropout, linear; numbers and categories beside the image where there
    are some. Images are scaled as the backbone's own were, whatever the feature set says. Needs the extra ``timm``.

    backbone: its name in timm, such as ``resnet18``, ``convnext_tiny`` or ``vit_small_patch16_224``, with or without
        the name of its weights behind a dot (``resnet18.a1_in1k``).
    weights: a file of safetensors, relative to the project or absolute, that names its tensors as timm does. None: the
        hub's, which is asked once.
    frozen: the backbone stays as it is, and only what comes after it learns.
    layer_decay: the learning rate of each layer is so many times that of the one above it (Bao et al. 2022, BEiT).
    head_rate: what multiplies it for the layers that begin at random.
    dropout: before the last layer.
    """

    tasks: ClassVar[tuple[str, ...]] = ("regression", "classification")
    needs: ClassVar[frozenset[str]] = frozenset({"image"})
    may_read: ClassVar[frozenset[str]] = frozenset({"numbers", "categories"})
    learner: ClassVar[str] = "neural"

    backbone: str
    weights: str | None = None
    frozen: bool = False
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    head_rate: float = Field(default=1.0, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    def __post_init__(self) -> None:
        if self.frozen and self.layer_decay != 1:
            raise ValueError("layer_decay is of layers that learn, and a frozen backbone has none; take one out")

    @property
    def code_files(self) -> tuple[Path, ...]:
        """The file of weights: what is fitted hangs on what stands in it."""
        from pipeline.images.backbones import find_weights

        return (find_weights(self.backbone, self.weights),)

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.pretrained_image import PretrainedImage as Network

        return Network(
            spec,
            self.backbone,
            self.weights,
            frozen=self.frozen,
            decay=self.layer_decay,
            head_rate=self.head_rate,
            dropout=self.dropout,
        )
