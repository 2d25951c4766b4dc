"""A column whose rows differ in length: texts as indices, windows of a long text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np

_INTEGERS = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64)


def smallest_type(lowest: int, highest: int) -> np.dtype[Any]:
    """The smallest integer type that holds these two and all between them."""
    for kind in _INTEGERS:
        if np.iinfo(kind).min <= lowest and highest <= np.iinfo(kind).max:
            return np.dtype(kind)
    raise ValueError(f"no integer type holds both {lowest} and {highest}")


class Ragged:
    """Row i is ``values[begins[i]:ends[i]]``.

    values: [values], integers or float32; begins, ends: int64 [rows]. Rows may overlap, repeat, and leave values
    unused, so taking rows and cutting windows copies no values.
    """

    def __init__(self, values: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> None:
        self.values = values
        self.begins = begins
        self.ends = ends

    @classmethod
    def from_lengths(cls, values: np.ndarray, lengths: np.ndarray) -> Ragged:
        """Rows that stand one after the other. lengths: [rows], their sum is ``len(values)``."""
        ends = np.cumsum(lengths, dtype=np.int64)  # [rows]
        if (ends[-1] if len(ends) else 0) != len(values):
            raise ValueError(f"{len(values)} values for lengths of {ends[-1] if len(ends) else 0} together")
        return cls(values, ends - lengths, ends)

    @classmethod
    def from_lists(cls, rows: Sequence[Sequence[float]], dtype: Any = None) -> Ragged:
        """dtype: None for the smallest integer type that holds all values, float32 where they are no integers."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        flat = np.array(list(chain.from_iterable(rows)), dtype)
        if dtype is None and flat.dtype.kind in "iub" and flat.size:
            flat = flat.astype(smallest_type(int(flat.min()), int(flat.max())))
        elif dtype is None:
            flat = flat.astype(np.float32 if flat.size else np.uint8)
        return cls.from_lengths(flat, lengths)

    @classmethod
    def concatenate(cls, parts: Sequence[Ragged]) -> Ragged:
        """The rows of all parts, in order; the type of the values is one that holds them all."""
        if not parts:
            return cls.from_lists([])
        tight = [part.compact() for part in parts]
        values = np.concatenate([part.values for part in tight])
        return cls.from_lengths(values, np.concatenate([part.lengths for part in tight]))

    def __len__(self) -> int:
        return len(self.begins)

    def __getitem__(self, rows: slice) -> Ragged:
        if not isinstance(rows, slice):
            raise TypeError("a column is sliced; row() gives one row, take() several")
        return Ragged(self.values, self.begins[rows], self.ends[rows])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.values[begin:end] for begin, end in zip(self.begins.tolist(), self.ends.tolist()))

    def row(self, i: int) -> np.ndarray:
        """[length of row i], a view."""
        return self.values[self.begins[i] : self.ends[i]]

    @property
    def nbytes(self) -> int:
        return self.values.nbytes + self.begins.nbytes + self.ends.nbytes

    @property
    def lengths(self) -> np.ndarray:
        """int64 [rows]"""
        return self.ends - self.begins

    def take(self, index: np.ndarray | Sequence[int]) -> Ragged:
        """The rows at ``index`` (integers, or a mask [rows]), of the same values."""
        chosen = np.asarray(index)
        if not chosen.size and chosen.dtype != bool:
            chosen = chosen.astype(np.int64)
        return Ragged(self.values, self.begins[chosen], self.ends[chosen])

    def compact(self) -> Ragged:
        """A copy that holds only values that rows use, each row's own, one row after the other; itself where it is so
        already."""
        lengths = self.lengths
        ends = np.cumsum(lengths)  # [rows]
        total = int(ends[-1]) if len(ends) else 0
        if total == len(self.values) and np.array_equal(ends, self.ends):
            return self
        positions = np.arange(total) + np.repeat(self.ends - ends, lengths)  # [values]
        return Ragged(self.values[positions], ends - lengths, ends)

    def padded(self, index: np.ndarray | Sequence[int], fill: float = 0) -> np.ndarray:
        """The rows at ``index``, filled up at their ends: [batch, longest of them].

        Of the values' type, or where that cannot hold ``fill`` one that holds both.
        """
        chosen = np.asarray(index, dtype=None if len(index) else np.int64)
        begins = self.begins[chosen][:, None]  # [batch, 1]
        lengths = self.ends[chosen][:, None] - begins  # [batch, 1]
        steps = np.arange(lengths.max(initial=0))  # [longest]
        dtype = self.values.dtype
        if dtype.kind != "f" and not np.iinfo(dtype).min <= fill <= np.iinfo(dtype).max:
            dtype = np.promote_types(dtype, np.min_scalar_type(fill))
        if not len(self.values):
            return np.full((len(begins), len(steps)), fill, dtype)
        # Beyond a row's end stand the values of others, and beyond the last one the last one again.
        rows = np.take(self.values, begins + steps, mode="clip").astype(dtype, copy=False)  # [batch, longest]
        rows[steps >= lengths] = fill
        return rows

    def fingerprint(self) -> str:
        """Digest of the values and of where rows begin and end, 16 hexadecimal digits. The same rows laid out
        otherwise have another one."""
        total = hashlib.sha256()
        for array in (self.values, self.begins, self.ends):
            little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            total.update(f"{array.dtype.name} {len(array)} ".encode())
            total.update(little.data if little.size else b"")
        return total.hexdigest()[:16]

    def save(self, folder: Path, name: str) -> None:
        """As ``<name>.values.npy`` and ``<name>.offsets.npy`` (int64 [2, rows]: begins, ends), which ``load`` may map
        into memory. Values that no row needs are left out where that makes it smaller."""
        kept = self.compact() if self.lengths.sum() < len(self.values) else self
        np.save(folder / f"{name}.values.npy", kept.values, allow_pickle=False)
        np.save(folder / f"{name}.offsets.npy", np.stack([kept.begins, kept.ends]), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, name: str, mapped: Literal["r", "c"] | None = None) -> Ragged:
        """mapped: ``r`` maps the files into memory, ``c`` copies what is written to; None reads them."""
        values, offsets = (
            # A file without any element cannot be mapped.
            np.load(file, mmap_mode=mapped if file.stat().st_size > 128 else None, allow_pickle=False)
            for file in (folder / f"{name}.values.npy", folder / f"{name}.offsets.npy")
        )
        return cls(values, *offsets)
