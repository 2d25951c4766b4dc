"""Encoded columns, and minibatches of them as tensors: the one place where examples of different lengths are padded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch

from pipeline.core.columns import DRAW, draw_of
from pipeline.core.ragged import Ragged
from pipeline.core.stored import Stored
from pipeline.core.types import Batch, Encoded
from pipeline.text.reserved import PAD
from pipeline.training.ahead import made_ahead
from pipeline.training.sampling.selection import Selection, Windows

LABELS = "labels"
"""The ragged column of what is to be told at each step of the others."""


PART_OF_FREE = 0.25
"""Of a GPU's free memory, that a stored column may take."""


class Examples:
    """Encoded columns: arrays are moved to the device once, ragged ones a padded minibatch at a time, stored ones as
    minibatches too, or to a GPU once where they take little of it.

    bookkeeping: what samplers ask for, see ``Arrays``. lengths: int64 [examples], in tokens, where ``ends`` is there.
    epoch: of ragged columns that were drawn several times, the draw that minibatches are made of is the epoch's.
    Raises ValueError when the columns do not share their first dimension.
    """

    def __init__(self, encoded: Encoded, device: torch.device) -> None:
        self.epoch = 0
        self._draws = {name: column for name, column in encoded.items() if DRAW in name}
        encoded = {name: column for name, column in encoded.items() if DRAW not in name}
        counts = {name: len(column) for name, column in encoded.items()}
        if len(set(counts.values())) != 1:
            raise ValueError(f"encoded columns need the same number of examples, got {counts}")
        self.count = next(iter(counts.values()))
        self.device = device
        self.ragged = {name: column for name, column in encoded.items() if isinstance(column, Ragged)}
        self.stored = {name: column for name, column in encoded.items() if isinstance(column, Stored)}
        apart = self.ragged.keys() | self.stored.keys()
        tensors = {name: as_tensor(array) for name, array in encoded.items() if name not in apart}
        for name in [name for name, column in self.stored.items() if _fits(column, device)]:
            tensors[name] = torch.from_numpy(self.stored.pop(name).read())  # [examples, ...]
        self.bookkeeping = {name: tensors.pop(name) for name in ("length",) if name in tensors}
        lengths = [column.lengths for column in self.ragged.values()]  # [examples] each
        if lengths and "length" not in self.bookkeeping:
            self.bookkeeping["length"] = torch.from_numpy(np.sum(lengths, axis=0))
        if lengths and all(np.array_equal(one, lengths[0]) for one in lengths[1:]):
            self.bookkeeping["ends"] = torch.from_numpy(np.cumsum(lengths[0]))
            self.lengths = torch.from_numpy(lengths[0])
        self.inputs = {name: tensor.to(device) for name, tensor in tensors.items()}
        self._flat: dict[str, np.ndarray] = {}

    def lengths_of(self, name: str) -> np.ndarray:
        """Tokens of each example in a column, padding not counted: int64 [examples]."""
        if name in self.ragged:
            return self.ragged[name].lengths
        return (self.inputs[name] != PAD).sum(1).cpu().numpy()

    def batch(self, selection: Selection) -> Batch:
        index = selection.index.to(self.device, non_blocking=True)
        # [examples, ...] -> [batch, ...]
        batch = {name: tensor.index_select(0, index) for name, tensor in self.inputs.items()}
        for name, column in self.ragged.items():
            if selection.windows is None:
                padded = self._drawn(name, column).padded(selection.index.numpy())  # [batch, longest]
            else:
                padded = self._window(name, selection.windows)  # [batch, longest]
            wide = padded.astype(np.float32 if padded.dtype.kind == "f" else np.int64, copy=False)
            batch[name] = torch.from_numpy(wide).to(self.device, non_blocking=True)
        for name, stored in self.stored.items():
            batch[name] = torch.from_numpy(stored.read(selection.index.numpy())).to(self.device, non_blocking=True)
        if selection.fresh is not None:
            batch["fresh"] = selection.fresh.to(self.device, non_blocking=True)
        return batch

    def batches(self, selections: Iterable[Selection]) -> Iterator[tuple[Selection, Batch]]:
        """The minibatches of these selections. To a GPU, what is read from files is sent ahead; on the CPU a thread
        would only take a core from another job."""
        if self.stored and self.device.type == "cuda":
            yield from made_ahead(self.batch, selections)
            return
        yield from ((selection, self.batch(selection)) for selection in selections)

    def _drawn(self, name: str, column: Ragged) -> Ragged:
        """The column as it was drawn for the epoch."""
        draws = 1 + sum(other.partition(DRAW)[0] == name for other in self._draws)
        return self._draws.get(draw_of(name, self.epoch % draws), column)

    def _window(self, name: str, windows: Windows) -> np.ndarray:
        """Parts of a ragged column, filled up at their ends: [batch, longest]. Labels that do not count are padding."""
        if name not in self._flat:
            self._flat[name] = self.ragged[name].compact().values  # as a sampler counts
        begins, ends = windows.begins.numpy(), windows.ends.numpy()
        padded = Ragged(self._flat[name], begins, ends).padded(np.arange(len(begins)))
        if name == LABELS and bool((windows.counted > windows.begins).any()):
            padded[np.arange(padded.shape[1]) < (windows.counted - windows.begins).numpy()[:, None]] = PAD
        return padded


def _fits(column: Stored, device: torch.device) -> bool:
    """Whether all of it may lie on the device: on the CPU its files' pages are memory as good."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return column.nbytes < PART_OF_FREE * free


def as_tensor(array: np.ndarray) -> torch.Tensor:
    array = np.ascontiguousarray(array)
    return torch.from_numpy(array if array.flags.writeable else array.copy())
