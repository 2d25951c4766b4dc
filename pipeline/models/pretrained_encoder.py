"""Model ``pretrained_encoder``: an encoder that learned from other texts, trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from torch import nn


@models.register("pretrained_encoder")
@settings
class PretrainedEncoder(Model):
    """The encoder of feature set ``pretrained_tokens``, a pool of its steps, dropout, linear (Devlin et al. 2019);
    numbers and categories beside the text where there are some. Needs the extra ``pretrained``.

    pooling: ``first`` is the first token's step, which BERT's kind has for it.
    frozen_layers: its embeddings and the lowest so many blocks stay as they are, and cost no gradient; 0: all learn.
    layer_decay: the learning rate of each block is so many times that of the block above it, that of the embeddings of
        the lowest block (Sun et al. 2019, 5.3). head_rate: what multiplies it for the layers that begin at random.
    gradient_checkpointing: activations are worked out twice and not kept: less memory for a third more time.
    """

    tasks: ClassVar[tuple[str, ...]] = ("regression", "classification")
    needs: ClassVar[frozenset[str]] = frozenset({"pretrained_tokens"})
    may_read: ClassVar[frozenset[str]] = frozenset({"numbers", "categories"})
    learner: ClassVar[str] = "neural"

    pooling: Literal["mean", "max", "first", "attention"] = "mean"
    frozen_layers: int = Field(default=0, ge=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    head_rate: float = Field(default=1.0, gt=0)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    gradient_checkpointing: bool = False

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.pretrained_text import PretrainedText

        return PretrainedText(
            spec,
            self.pooling,
            frozen=self.frozen_layers,
            decay=self.layer_decay,
            head_rate=self.head_rate,
            dropout=self.dropout,
            checkpointing=self.gradient_checkpointing,
        )
