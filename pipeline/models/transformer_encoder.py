"""Model ``transformer_encoder``: attention among a text's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Spec, Task
from pipeline.models import models
from pipeline.models.attention_model import AttentionModel
from pipeline.models.text_model import TextModel

if TYPE_CHECKING:
    from torch import nn


@models.register("transformer_encoder")
@settings
class TransformerEncoder(TextModel, AttentionModel):
    """Encoder blocks over words and their positions, a pool of all steps, dropout, linear (Vaswani et al. 2017; D2L
    11.7). As wide as ``embedding``.

    pooling: ``first`` is what stands at a step of its own before the text (Devlin et al. 2019).
    """

    layers: int = Field(default=2, ge=1)
    hidden: int | None = Field(default=256, ge=1)
    pooling: Literal["mean", "max", "first", "attention"] = "mean"
    dropout: float = Field(default=0.3, ge=0, lt=1)

    width_setting: ClassVar[str] = "embedding"

    def __post_init__(self) -> None:
        TextModel.__post_init__(self)
        AttentionModel.__post_init__(self)

    def block_width(self) -> int:
        return self.embedding

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.transformer_text import TransformerText

        return TransformerText(
            self.words(spec), self.layers, self.block(), self.positions, self.longest, self.pooling, self.dropout
        )
