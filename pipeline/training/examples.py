"""Encoded columns, and minibatches of them as tensors: the one place where examples of different lengths are padded."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from pipeline.core.ragged import Ragged
from pipeline.core.types import Batch, Encoded
from pipeline.training.sampling import Selection

BOOKKEEPING = ("row", "first", "length")
"""Columns for samplers and sums, on the CPU; they reach no batch."""


class Examples:
    """Encoded columns: arrays are moved to the device once, ragged ones a padded minibatch at a time.

    ``length``, where samplers ask for it, is how long an example's ragged columns are together.
    Raises ValueError when the columns do not share their first dimension.
    """

    def __init__(self, encoded: Encoded, device: torch.device) -> None:
        counts = {name: len(column) for name, column in encoded.items()}
        if len(set(counts.values())) != 1:
            raise ValueError(f"encoded columns need the same number of examples, got {counts}")
        self.count = next(iter(counts.values()))
        self.device = device
        self.ragged = {name: column for name, column in encoded.items() if isinstance(column, Ragged)}
        tensors = {name: as_tensor(array) for name, array in encoded.items() if name not in self.ragged}
        self.bookkeeping = {name: tensors.pop(name) for name in BOOKKEEPING if name in tensors}
        if self.ragged and "length" not in self.bookkeeping:
            lengths: Any = sum(column.lengths for column in self.ragged.values())  # [examples]
            self.bookkeeping["length"] = torch.from_numpy(lengths)
        self.inputs = {name: tensor.to(device) for name, tensor in tensors.items()}

    @property
    def row(self) -> np.ndarray | None:
        """Row of each example, int64 [examples]; None where an example is a row."""
        return self.bookkeeping["row"].numpy() if "row" in self.bookkeeping else None

    def batch(self, selection: Selection) -> Batch:
        index = selection.index.to(self.device, non_blocking=True)
        # [examples, ...] -> [batch, ...]
        batch = {name: tensor.index_select(0, index) for name, tensor in self.inputs.items()}
        places = selection.index.numpy()
        for name, column in self.ragged.items():
            padded = column.padded(places)  # [batch, longest]
            wide = padded.astype(np.float32 if padded.dtype.kind == "f" else np.int64, copy=False)
            batch[name] = torch.from_numpy(wide).to(self.device, non_blocking=True)
        if selection.fresh is not None:
            batch["fresh"] = selection.fresh.to(self.device, non_blocking=True)
        return batch


def as_tensor(array: np.ndarray) -> torch.Tensor:
    array = np.ascontiguousarray(array)
    return torch.from_numpy(array if array.flags.writeable else array.copy())
