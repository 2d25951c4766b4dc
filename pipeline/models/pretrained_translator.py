"""Model ``pretrained_translator``: an encoder and decoder that learned from other texts, trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from torch import nn


@models.register("pretrained_translator")
@settings
class PretrainedTranslator(Model):
    """T5, mT5, ByT5, BART, Marian and their like, whose tokens feature set ``pairs`` reads with the tokenizer
    ``pretrained`` (extra ``pretrained``), trained on by teacher forcing (Raffel et al. 2020; Lewis et al. 2020).

    frozen_encoder: its weights stay as they are, and cost no gradient.
    dropout: of all its layers; None: as it was trained.
    """

    tasks: ClassVar[tuple[str, ...]] = ("translation",)
    needs: ClassVar[frozenset[str]] = frozenset({"source", "tokens", "labels"})
    """Tokens and labels only to train; rows to answer have none."""
    learner: ClassVar[str] = "neural"

    frozen_encoder: bool = False
    dropout: float | None = Field(default=None, ge=0, lt=1)

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.pretrained_translation import PretrainedTranslation

        if "source" not in spec.pretrained:
            raise UserError(
                "pretrained_translator: reads a pretrained model's own tokens; give its feature set "
                "tokenizer: {name: pretrained, model: FOLDER} and joint: true"
            )
        return PretrainedTranslation(spec, self.frozen_encoder, self.dropout)
