"""Model ``transformer``: translation by attention alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Spec, Task
from pipeline.models import models
from pipeline.models.attention_model import AttentionModel

if TYPE_CHECKING:
    from torch import nn


@models.register("transformer")
@settings
class Transformer(AttentionModel):
    """Encoder blocks over the source, decoder blocks that attend to them over what came before, linear over the
    target's vocabulary (Vaswani et al. 2017; D2L 11.7).

    width: of a token's vector and of the blocks. Sinusoidal positions stand beside vectors times the root of it.
    tied: the output layer has the vectors of the target's tokens, and where both sides have one vocabulary (``joint``
        of the feature set) the source's tokens have them too.
    """

    tasks: ClassVar[tuple[str, ...]] = ("translation",)
    needs: ClassVar[frozenset[str]] = frozenset({"source", "tokens", "labels"})
    """Tokens and labels only to train; rows to answer have none."""

    width: int = Field(default=128, ge=1)
    encoder_layers: int = Field(default=4, ge=1)
    decoder_layers: int = Field(default=4, ge=1)
    tied: bool = True

    @property
    def attends(self) -> bool:
        return True

    def block_width(self) -> int:
        return self.width

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.translation import TransformerTranslator

        return TransformerTranslator(
            spec.sizes["source"],
            spec.outputs,
            self.encoder_layers,
            self.decoder_layers,
            self.block(),
            self.positions,
            self.longest,
            self.dropout,
            self.tied,
            joint=self.tied and spec.vocabularies["source"] == spec.vocabularies["target"],
        )
