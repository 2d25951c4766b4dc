"""Model ``tabm``: an ensemble of multilayer perceptrons in one (Gorishniy et al. 2025)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from torch import nn


@models.register("tabm")
@settings
class TabM(Model):
    """Submodels that share their weights and learn side by side; the answer is their mean.
    ``numbers`` are best transformed to normal quantiles; ``categories`` are taken one-hot.

    hidden: width of each hidden layer; the paper's is 512, at ten times the time.
    embedding: of number columns; ``periodic`` is RealMLP's, ``piecewise_linear`` the paper's, whose
        ``width`` is 16. width: features that a column's embedding has. bins: of ``piecewise_linear``.
    """

    tasks: ClassVar[tuple[str, ...]] = ("regression", "classification")
    needs: ClassVar[frozenset[str]] = frozenset({"numbers"})
    may_read: ClassVar[frozenset[str]] = frozenset({"categories"})
    learner: ClassVar[str] = "neural"
    stacks: ClassVar[bool] = True
    apart: ClassVar[frozenset[str]] = frozenset({"dropout"})

    submodels: int = Field(default=32, ge=1)
    hidden: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (128, 128)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    embedding: Literal["none", "periodic", "piecewise_linear"] = "periodic"
    width: int = Field(default=4, ge=2)
    bins: int = Field(default=48, ge=2)

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.tabm import TabMNetwork

        numbers = spec.shapes["numbers"][0]
        return TabMNetwork(
            numbers=numbers,
            continuous=spec.sizes.get("continuous", numbers),
            levels=spec.sizes.get("categories", ()),
            outputs=spec.outputs,
            submodels=self.submodels,
            hidden=self.hidden,
            dropout=self.dropout,
            embedding=self.embedding,
            width=self.width,
            bins=self.bins,
            classes=[len(one) for one in spec.target_classes] or [spec.outputs] * (task.target_kind == "class"),
            standardised=task.target_kind in ("number", "numbers"),
        )
