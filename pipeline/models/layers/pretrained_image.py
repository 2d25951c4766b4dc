"""A pretrained backbone of images as part of a network that trains it on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Self

import torch
from torch import nn

from pipeline.core.types import Batch, Spec
from pipeline.images.backbones import depths_of, empty_backbone, find_weights, read_backbone, scale_of, width_of
from pipeline.models.layers.image_network import ImageNetwork
from pipeline.models.layers.members import Dropout

PREFIX = "layers.0."
"""Of the names of the backbone's parameters."""


class PretrainedImage(ImageNetwork):
    """``image`` through the backbone, dropout, linear; columns beside it as in every network on images.

    It is built empty; before training it reads the backbone's weights. Images are scaled as those that the backbone
    learned from, and grey ones given to it in three channels alike.
    """

    prepares = True

    def __init__(
        self,
        spec: Spec,
        backbone: str,
        weights: str | None,
        *,
        frozen: bool = False,
        decay: float = 1.0,
        head_rate: float = 1.0,
        dropout: float = 0.0,
    ) -> None:
        channels, height, width = spec.shapes["image"]
        given, size = 3 if channels == 1 else channels, (height, width)
        network = empty_backbone(backbone, given, size)
        features = width_of(network, backbone, given, size)
        layers = nn.Sequential(network, Dropout(dropout), nn.Linear(features, spec.outputs))
        super().__init__(layers, replace(spec, scales={"image": scale_of(network, given)}))
        self.made_of = (backbone, given, size)
        self.weights, self.frozen = weights, frozen
        network.requires_grad_(not frozen)
        depths = depths_of(network, backbone) if decay < 1 and not frozen else {}
        last = max(depths.values(), default=0)  # its normalisation after the last block, or that block
        self.rates = {f"{PREFIX}{name}": decay ** (last - depth) for name, depth in depths.items()}
        own = [name for name, _ in self.named_parameters() if not name.startswith(PREFIX)]
        self.rates |= dict.fromkeys(own, head_rate)

    def prepare(self, batch: Batch) -> None:
        """Read the backbone's weights. Raises UserError."""
        backbone, channels, size = self.made_of
        held = read_backbone(backbone, channels, size, find_weights(backbone, self.weights))
        with torch.no_grad():
            for name, value in self.layers[0].state_dict().items():
                value.copy_(held[name])

    def rate_factors(self) -> Mapping[str, float]:
        return {name: rate for name, rate in self.rates.items() if rate != 1}

    def train(self, mode: bool = True) -> Self:
        """What is frozen does not learn the batches' means either, nor drop anything."""
        super().train(mode)
        if self.frozen:
            self.layers[0].eval()
        return self
