"""Model ``text_cnn``: convolutions over a text's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Spec, Task
from pipeline.models import models
from pipeline.models.text_model import TextModel

if TYPE_CHECKING:
    from torch import nn


@models.register("text_cnn")
@settings
class TextCNN(TextModel):
    """Kernels over some words at once, each map's largest value, dropout, linear (Kim 2014).

    widths: words that a kernel spans; maps: of each width.
    """

    widths: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (3, 4, 5)
    maps: int = Field(default=100, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.text_cnn import TextCNN

        return TextCNN(self.words(spec), self.widths, self.maps, self.dropout)
