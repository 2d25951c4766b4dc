"""Encoded arrays as tensors, and minibatches of them."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.core.types import Batch, Encoded
from pipeline.training.sampling import Selection

BOOKKEEPING = ("row", "first", "length")
"""Arrays for samplers and sums, on the CPU; they reach no batch."""


class Examples:
    """Encoded arrays on a device, moved there once.

    Raises ValueError when the arrays do not share their first dimension.
    """

    def __init__(self, encoded: Encoded, device: torch.device) -> None:
        counts = {name: len(array) for name, array in encoded.items()}
        if len(set(counts.values())) != 1:
            raise ValueError(f"encoded arrays need the same number of examples, got {counts}")
        self.count = next(iter(counts.values()))
        self.device = device
        tensors = {name: as_tensor(array) for name, array in encoded.items()}
        self.bookkeeping = {name: tensors.pop(name) for name in BOOKKEEPING if name in tensors}
        self.inputs = {name: tensor.to(device) for name, tensor in tensors.items()}

    @property
    def row(self) -> np.ndarray | None:
        """Row of each example, int64 [examples]; None where an example is a row."""
        return self.bookkeeping["row"].numpy() if "row" in self.bookkeeping else None

    def batch(self, selection: Selection) -> Batch:
        index = selection.index.to(self.device, non_blocking=True)
        # [examples, ...] -> [batch, ...]
        batch = {name: tensor.index_select(0, index) for name, tensor in self.inputs.items()}
        if selection.fresh is not None:
            batch["fresh"] = selection.fresh.to(self.device, non_blocking=True)
        return batch


def as_tensor(array: np.ndarray) -> torch.Tensor:
    array = np.ascontiguousarray(array)
    return torch.from_numpy(array if array.flags.writeable else array.copy())
