"""A column whose rows stay in files: images, of which only a minibatch is ever read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.core.files import read_json, write_json
from pipeline.core.paths import project_root

BLOCK = 1 << 20
"""Bytes that are read at once where all rows are gone through."""
INDEX, PARTS = ".index.npy", ".parts.json"
"""How the files end that a stored column is kept in."""


class Stored:
    """Row i is row ``index[i]`` of ``parts``, laid end to end.

    parts: arrays [rows, ...] of one shape and type beyond their rows, mapped from files or in memory. index: int64
    [rows]. Rows may repeat and leave others unused, so taking rows copies none.
    """

    def __init__(
        self, parts: Sequence[np.ndarray], index: np.ndarray | None = None, known: dict[str, np.ndarray] | None = None
    ) -> None:
        kinds = {(part.dtype, part.shape[1:]) for part in parts}
        if len(kinds) != 1:
            raise ValueError(f"rows of one shape and type are stored together, got {sorted(map(str, kinds))}")
        self.parts = tuple(parts)
        self.ends = np.cumsum([len(part) for part in self.parts])  # [parts]
        self.index = np.arange(self.ends[-1]) if index is None else index
        self._known: dict[str, np.ndarray] = {} if known is None else known

    @classmethod
    def concatenate(cls, columns: Sequence[Stored]) -> Stored:
        """The rows of all columns, in order."""
        if all(isinstance(column, Beside) for column in columns):
            beside = zip(*(column.columns for column in columns if isinstance(column, Beside)), strict=True)
            return Beside([cls.concatenate(some) for some in beside])
        parts: list[np.ndarray] = []
        begins: dict[int, int] = {}
        indices = []
        for column in columns:
            for part in column.parts:
                if id(part) not in begins:
                    begins[id(part)] = sum(map(len, parts))
                    parts.append(part)
            moved = np.array([begins[id(part)] for part in column.parts]) - (column.ends - list(map(len, column.parts)))
            indices.append(column.index + moved[column._part_of(column.index)])
        return cls(parts, np.concatenate(indices))

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: slice) -> Stored:
        if not isinstance(rows, slice):
            raise TypeError("a column is sliced; read() gives rows, take() a column of some")
        return Stored(self.parts, self.index[rows], self._known)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.parts[0].dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all rows: [rows, ...]."""
        return (len(self.index), *self.parts[0].shape[1:])

    @property
    def nbytes(self) -> int:
        """Of its rows, were they read."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def take(self, index: np.ndarray | Sequence[int]) -> Stored:
        """The rows at ``index`` (integers, or a mask [rows])."""
        chosen = np.asarray(index)
        return Stored(self.parts, self.index[chosen.astype(np.int64) if not chosen.size else chosen], self._known)

    def _part_of(self, places: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.ends, places, side="right")

    def read(self, index: np.ndarray | slice = slice(None)) -> np.ndarray:
        """The rows at ``index`` in memory: [some rows, ...]."""
        places = self.index[index]
        if len(self.parts) == 1:
            return np.take(self.parts[0], places, axis=0)
        part_of, found = self._part_of(places), np.empty((len(places), *self.shape[1:]), self.dtype)
        for number, part in enumerate(self.parts):
            own = part_of == number
            found[own] = part[places[own] - (self.ends[number] - len(part))]
        return found

    def blocks(self) -> Iterator[np.ndarray]:
        """All rows in order, a few megabytes at a time."""
        each = max(1, BLOCK // max(1, self.nbytes // max(1, len(self))))
        for begin in range(0, len(self), each):
            yield self.read(slice(begin, begin + each))

    def moments(self) -> np.ndarray:
        """Of each row, the sum and the sum of squares of each channel: uint64 [rows, channels, 2]; of uint8 [rows,
        height, width, channels]. Computed once for all columns of the same parts."""
        whole = Stored(self.parts)
        if "moments" not in self._known:
            squares = np.arange(256, dtype=np.uint32) ** 2
            found = []
            for block in whole.blocks():
                sums = block.sum(axis=(1, 2), dtype=np.uint64)  # [rows, channels]
                found.append(np.stack([sums, squares[block].sum(axis=(1, 2), dtype=np.uint64)], axis=-1))
            self._known["moments"] = np.concatenate(found)
        return self._known["moments"][self.index]

    def fingerprint(self) -> str:
        """Digest of its rows, 16 hexadecimal digits, wherever they lie."""
        total = hashlib.sha256(f"{self.dtype.name} {self.shape} ".encode())
        for block in self.blocks():
            total.update(np.ascontiguousarray(block, dtype=block.dtype.newbyteorder("<")).data)
        return total.hexdigest()[:16]

    def save(self, folder: Path, name: str) -> None:
        """As ``<name>.index.npy`` and ``<name>.parts.json``, the files that the parts are mapped from. A part that is
        in memory alone is written beside them."""
        np.save(folder / f"{name}{INDEX}", self.index, allow_pickle=False)
        write_json(folder / f"{name}{PARTS}", self._files(folder, name))

    def _files(self, folder: Path, name: str) -> list[str]:
        files = []
        for number, part in enumerate(self.parts):
            mapped = part.filename if isinstance(part, np.memmap) else None
            if mapped is None:
                files.append(f"{name}.{number}.part")
                with (folder / files[-1]).open("wb") as stream:
                    np.save(stream, part, allow_pickle=False)
            else:
                path, root = Path(mapped).absolute(), project_root().absolute()
                files.append(str(path.relative_to(root) if path.is_relative_to(root) else path))
        return files

    @classmethod
    def load(cls, folder: Path, name: str, mapped: Literal["r", "c"] = "r") -> Stored:
        """What ``save`` wrote, its parts mapped into memory. Raises OSError or ValueError where a file is gone."""
        index, files = np.load(folder / f"{name}{INDEX}", allow_pickle=False), read_json(folder / f"{name}{PARTS}")

        def parts(of: list[str]) -> list[np.ndarray]:
            paths = [folder / file if file.endswith(".part") else project_root() / file for file in of]
            return [np.load(path, mmap_mode=mapped, allow_pickle=False) for path in paths]

        if index.ndim == 1:
            return cls(parts(files), index)
        return Beside([Stored(parts(of), own) for of, own in zip(files, index, strict=True)])


class Beside(Stored):
    """Row i is row i of several columns, one beside the other along their last axis: several images of a row as the
    channels of one.

    columns: of as many rows, and of one shape and type but for the last axis.
    """

    def __init__(self, columns: Sequence[Stored]) -> None:
        kinds = {(column.dtype, column.shape[:-1]) for column in columns}
        if len(kinds) != 1:
            raise ValueError(f"columns beside each other have rows of one shape, got {sorted(map(str, kinds))}")
        self.columns = tuple(columns)

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, rows: slice) -> Stored:
        return Beside([column[rows] for column in self.columns])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.columns[0].dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.columns[0].shape[:-1], sum(column.shape[-1] for column in self.columns))

    def take(self, index: np.ndarray | Sequence[int]) -> Stored:
        return Beside([column.take(index) for column in self.columns])

    def read(self, index: np.ndarray | slice = slice(None)) -> np.ndarray:
        return np.concatenate([column.read(index) for column in self.columns], axis=-1)

    def moments(self) -> np.ndarray:
        return np.concatenate([column.moments() for column in self.columns], axis=1)

    def save(self, folder: Path, name: str) -> None:
        """As a column is, of each its row of the index and its list of files."""
        np.save(folder / f"{name}{INDEX}", np.stack([column.index for column in self.columns]), allow_pickle=False)
        files = [column._files(folder, f"{name}.{number}") for number, column in enumerate(self.columns)]
        write_json(folder / f"{name}{PARTS}", files)
