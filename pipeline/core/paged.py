"""Tables beyond memory: the columns of a large one lie in files, and memory holds the pages of them that are in use.

They are plain arrays to whoever reads them, so that every number is the one of a table in memory. The files have no
names: the system clears them away with the process.
"""

from __future__ import annotations

import os
import tempfile
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from pipeline.core.paths import state_folder

if TYPE_CHECKING:
    import pandas as pd

LARGE = 512 << 20
"""Bytes, 8 a value, from which on a table is a large one."""
READ_BYTES = 64 << 20
"""Copied at once to a file."""


def is_large(rows: int, columns: int) -> bool:
    return 8 * rows * columns > LARGE


def zeros(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """As NumPy's; of a large table in a file, where forked processes share what is written."""
    if not is_large(1, prod(shape)):
        return np.zeros(shape, dtype)
    with _file() as file:
        file.truncate(prod(shape) * np.dtype(dtype).itemsize)
        return np.asarray(np.memmap(file, dtype, "r+", shape=shape))


def paged(column: Any) -> Any:
    """A column (an array, or a Series) of a large table, in a file where its values are numbers, times or texts.

    Who writes to it changes a copy of his own.
    """
    if isinstance(column, np.ndarray):
        return column if column.dtype == object or _is_mapped(column) else _in_file(column)
    import pandas as pd

    if isinstance(column.dtype, pd.StringDtype):
        return pd.Series(_texts_in_file(column), name=column.name, index=column.index)
    if isinstance(column.dtype, np.dtype) and column.dtype != object and not _is_mapped(column.to_numpy()):
        return pd.Series(_in_file(column.to_numpy()), name=column.name, index=column.index, copy=False)
    return column


def take_rows(rows: pd.DataFrame, index: np.ndarray) -> pd.DataFrame:
    """Rows of a table (integers, or a mask [rows]), indexed from 0; of a large one a column after the other."""
    import pandas as pd

    index = index.nonzero()[0] if index.dtype == bool else index
    if not is_large(len(index), rows.shape[1]):
        return rows.iloc[index].reset_index(drop=True)
    columns = {name: paged(rows[name].iloc[index].reset_index(drop=True)) for name in rows}
    return pd.DataFrame(columns, copy=False)


def _is_mapped(array: Any) -> bool:
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(array, np.memmap)


def _file() -> BinaryIO:
    folder = state_folder() / "paged"
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)  # type: ignore[return-value]


def _in_file(array: np.ndarray) -> np.ndarray:
    with _file() as file:
        step = max(1, READ_BYTES // max(1, array.itemsize))
        for begin in range(0, len(array), step):
            file.write(np.ascontiguousarray(array[begin : begin + step]).view(np.uint8).data)
        file.flush()
        return np.asarray(np.memmap(file, array.dtype, "c", shape=array.shape))


def _texts_in_file(column: pd.Series) -> Any:
    """An array of pandas over Arrow's own form of it in a file."""
    import pandas as pd
    import pyarrow as pa

    texts: Any = pa.array(column.array)
    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    (state_folder() / "paged").mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=state_folder() / "paged")
    os.close(descriptor)
    try:
        with pa.OSFile(name, "wb") as sink, pa.ipc.new_file(sink, pa.schema([("", texts.type)])) as writer:
            for chunk in chunks:
                writer.write_batch(pa.record_batch([chunk], names=[""]))
        mapped = pa.ipc.open_file(pa.memory_map(name)).read_all().column(0)
    finally:
        Path(name).unlink()  # the mapping keeps it
    return pd.array(mapped, dtype=column.dtype)
