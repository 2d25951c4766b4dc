"""Model ``realmlp``: a multilayer perceptron that is strong without tuning (Holzmüller et al. 2024)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from torch import nn


@models.register("realmlp")
@settings
class RealMLP(Model):
    """RealMLP-TD. ``numbers`` are best scaled robustly and clipped smoothly, categories of few levels
    one-hot among them; those of more levels are embedded from ``categories``.

    hidden: width of each hidden layer.
    activation: auto is mish for regression and selu for classification.
    frequencies: cosines of the embedding of a number column; 0 embeds none.
    embedding: features that a number column's embedding has. category_embedding: a level's.
    """

    tasks: ClassVar[tuple[str, ...]] = ("regression", "classification")
    needs: ClassVar[frozenset[str]] = frozenset({"numbers"})
    may_read: ClassVar[frozenset[str]] = frozenset({"categories"})
    learner: ClassVar[str] = "neural"
    stacks: ClassVar[bool] = True
    apart: ClassVar[frozenset[str]] = frozenset({"dropout"})

    hidden: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (256, 256, 256)
    activation: Literal["auto", "selu", "mish", "relu", "gelu"] = "auto"
    dropout: float = Field(default=0.15, ge=0, lt=1)
    frequencies: int = Field(default=16, ge=0)
    embedding: int = Field(default=4, ge=2)
    category_embedding: int = Field(default=8, ge=1)

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.realmlp import RealMLPNetwork

        regression = task.target_kind in ("number", "numbers")
        numbers = spec.shapes["numbers"][0]
        return RealMLPNetwork(
            numbers=numbers,
            continuous=spec.sizes.get("continuous", numbers),
            levels=spec.sizes.get("categories", ()),
            outputs=spec.outputs,
            hidden=self.hidden,
            activation=("mish" if regression else "selu") if self.activation == "auto" else self.activation,
            dropout=self.dropout,
            frequencies=self.frequencies,
            embedding=self.embedding,
            category_embedding=self.category_embedding,
            bounded=regression,
        )
