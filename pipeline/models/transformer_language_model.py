"""Model ``transformer_language_model``: decoder blocks that predict the next token."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Spec, Task
from pipeline.models import models
from pipeline.models.attention_model import AttentionModel

if TYPE_CHECKING:
    from torch import nn


@models.register("transformer_language_model")
@settings
class TransformerLanguageModel(AttentionModel):
    """Embedding, positions, blocks of attention to what came before, linear over the vocabulary (Vaswani et al. 2017;
    Radford et al. 2018; D2L 11.9.3).

    width: of a token's vector and of the blocks. tied: the output layer has the embedding's weights.
    """

    tasks: ClassVar[tuple[str, ...]] = ("language_model",)
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "labels"})

    width: int = Field(default=128, ge=1)
    layers: int = Field(default=4, ge=1)
    positions: Literal["sinusoidal", "learned", "rotary", "none"] = "rotary"
    activation: Literal["relu", "gelu"] = "gelu"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    tied: bool = True

    def block_width(self) -> int:
        return self.width

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.language import TransformerLanguageNetwork

        return TransformerLanguageNetwork(
            spec.outputs, self.layers, self.block(), self.positions, self.longest, self.dropout, self.tied
        )
