"""Model ``mlp``: the multilayer perceptron (D2L ch. 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.core.registry import PartOf, settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models
from pipeline.models.initialization import initializations, initialize

if TYPE_CHECKING:
    from torch import nn


@models.register("mlp")
@settings
class MLP(Model):
    """Fully connected layers on ``numbers``.

    hidden: width of each hidden layer, from the input on; none makes it linear.
    normalization: batch or layer, before each activation.
    initialization: he suits relu and its kin, xavier sigmoid and tanh.
    """

    tasks: ClassVar[tuple[str, ...]] = ("regression", "classification")
    needs: ClassVar[frozenset[str]] = frozenset({"numbers"})
    learner: ClassVar[str] = "neural"
    stacks: ClassVar[bool] = True
    apart: ClassVar[frozenset[str]] = frozenset({"dropout", "initialization"})

    hidden: tuple[Annotated[int, Field(ge=1)], ...] = (256,)
    activation: Literal["relu", "sigmoid", "tanh", "gelu", "silu"] = "relu"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    normalization: Literal["none", "batch", "layer"] = "none"
    initialization: Annotated[Any, PartOf(initializations)] = "uniform"

    @property
    def several_rows(self) -> bool:  # type: ignore[override]
        return self.normalization == "batch" and bool(self.hidden)

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.feed_forward import MultilayerPerceptron

        normalization = None if self.normalization == "none" else self.normalization
        inputs = spec.shapes["numbers"][0]
        network = MultilayerPerceptron(inputs, self.hidden, spec.outputs, self.activation, self.dropout, normalization)
        initialize(network, self.initialization)
        return network
