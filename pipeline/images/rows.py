"""Typed rows on disk: a parquet file, and beside it an array a column of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError
from pipeline.core.memory import give_memory_back
from pipeline.core.paged import is_large, paged
from pipeline.core.types import Schema

if TYPE_CHECKING:
    import pandas as pd


LONGEST = 60
"""Letters of the name of a column of images: in UTF-8 four bytes each at most, and a file's name has 255."""


def array_file(folder: Path, column: str, rows: str) -> Path:
    """Where the images of a column lie, uint8 [rows, height, width, channels]. rows: ``train``, ``test``, …

    Raises UserError for a name that leads to another folder, as one of an ``.npz`` file may.
    """
    if {*column} & {*"/\\\0"} or len(column) > LONGEST:
        raise UserError(
            f"images '{column[:LONGEST]}': the column's name is that of a file of arrays; one of at most {LONGEST} "
            "letters without / and \\ will do"
        )
    return folder / f"{column}-{rows}.npy"


def write_rows(rows: pd.DataFrame, path: Path) -> None:
    """Write rows; in their columns of images stand positions in ``<column>-<set of rows>.npy``."""
    import numpy as np
    from numpy.lib.format import open_memmap

    from pipeline.images.column import images_of, is_images

    plain: dict[str, Any] = {}
    for name in [str(name) for name in rows if is_images(rows[name])]:
        stored, file = images_of(rows[name]).stored, array_file(path.parent, name, path.stem)
        packed = [Path(str(part.filename)) for part in stored.parts if isinstance(part, np.memmap)]
        if packed == [file.absolute()]:  # as it was packed; rows left out leave theirs unused
            plain[name] = stored.index
            continue
        written = open_memmap(file.with_suffix(".whole"), mode="w+", dtype=np.uint8, shape=stored.shape)
        begin = 0
        for block in stored.blocks():
            written[begin : begin + len(block)] = block
            begin += len(block)
        del written
        file.with_suffix(".whole").replace(file)
        for other in packed:  # sets of rows that are part of this one now
            if other.parent == file.parent.absolute() and other != file.absolute():
                other.unlink()
        plain[name] = np.arange(len(stored))
    rows.assign(**plain).to_parquet(path, index=False)


def read_rows(path: Path, schema: Schema, read_dictionary: Sequence[str] | None = None) -> pd.DataFrame:
    """Rows as ``write_rows`` left them, their images mapped into memory; of a large table all columns."""
    import pandas as pd
    from pyarrow import parquet

    options: dict[str, Any] = {} if read_dictionary is None else {"read_dictionary": list(read_dictionary)}
    there = parquet.read_metadata(path)
    if is_large(there.num_rows, there.num_columns):
        columns: dict[str, Any] = {}
        for name in there.schema.names:
            columns[name] = paged(pd.read_parquet(path, columns=[name], **options)[name])
            give_memory_back()
        rows = pd.DataFrame(columns, copy=False)
    else:
        rows = pd.read_parquet(path, **options)
    names = schema.names("image")
    if names:
        from pipeline.images.column import Images

        for name in names:
            stored = Images.mapped(array_file(path.parent, name, path.stem)).stored
            rows[name] = Images(stored.take(rows[name].to_numpy()))
    return rows
