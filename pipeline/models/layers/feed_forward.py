"""Feed-forward networks over ``numbers``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from pipeline.core.types import Batch
from pipeline.models.layers.members import BatchNorm, Dropout, LayerNorm, Linear
from pipeline.models.layers.network import Network

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": nn.SiLU}
NORMALIZATIONS = {"batch": BatchNorm, "layer": LayerNorm}


class Affine(Network):
    """One affine layer: linear regression, or the logits of softmax regression."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.affine = Linear(inputs, outputs)

    def forward(self, batch: Batch, state: None = None) -> tuple[Tensor, None]:
        return self.affine(batch["numbers"]), None  # [batch, inputs] -> [batch, outputs]

    def importance(self, names: Mapping[str, Sequence[str]]) -> dict[str, float]:
        """Mean absolute weight of each input; comparable where inputs are standardised."""
        weights = self.affine.weight.detach().abs().mean(dim=0).tolist()  # [outputs, inputs] -> [inputs]
        return dict(zip(names.get("numbers") or map(str, range(len(weights))), weights, strict=True))


class MultilayerPerceptron(Network):
    """Hidden layers of affine, normalisation, activation, dropout; then an affine layer (D2L ch. 5)."""

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        activation: str = "relu",
        dropout: float = 0.0,
        normalization: str | None = None,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in hidden:
            # Batch normalisation takes the mean off again: a bias before it only drifts on rounding errors.
            layers.append(Linear(inputs, width, bias=normalization != "batch"))
            if normalization is not None:
                layers.append(NORMALIZATIONS[normalization](width))
            layers.append(ACTIVATIONS[activation]())
            layers.append(Dropout(dropout))
            inputs = width
        self.layers = nn.Sequential(*layers, Linear(inputs, outputs))

    def forward(self, batch: Batch, state: None = None) -> tuple[Tensor, None]:
        return self.layers(batch["numbers"]), None  # [batch, inputs] -> [batch, outputs]
