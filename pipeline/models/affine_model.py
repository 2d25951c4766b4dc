"""Settings that models of one affine layer have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pipeline.core.registry import PartOf, settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models.initialization import initializations, initialize

if TYPE_CHECKING:
    from torch import nn


@settings
class AffineModel(Model):
    """One affine layer on ``numbers``."""

    needs: ClassVar[frozenset[str]] = frozenset({"numbers"})
    learner: ClassVar[str] = "neural"
    stacks: ClassVar[bool] = True
    apart: ClassVar[frozenset[str]] = frozenset({"initialization"})

    initialization: Annotated[Any, PartOf(initializations)] = "normal"

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.feed_forward import Affine

        network = Affine(spec.shapes["numbers"][0], spec.outputs)
        initialize(network, self.initialization)
        return network
