"""Tables of pixel columns read a few megabytes at a time, their pixels packed as they come."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.sections import ImageColumn
from pipeline.images.pixels import checked_columns, in_places, shape_of
from pipeline.images.rows import array_file
from pipeline.sources.tables import to_frame

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 1 << 20


def read_pixel_table(
    path: Path,
    images: Mapping[str, ImageColumn],
    into: Path,
    stem: str,
    *,
    missing: Sequence[str],
    text: Sequence[str | None],
) -> pd.DataFrame | None:
    """A plain CSV whose pixels are whole numbers from 0 to 255, without gap: its other columns as ``read_table`` gives
    them, and columns of images, whose arrays are written ``into`` a folder. None for any other file."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.csv
    from numpy.lib.format import write_array_header_1_0

    from pipeline.images.column import Images

    if path.suffix.lower() != ".csv":
        return None
    with path.open("rb") as stream:
        head = stream.readline()
    try:
        names = next(csv.reader([head.decode("utf-8-sig")]), [])
    except (UnicodeDecodeError, csv.Error):
        return None
    made = {name: how for name, how in images.items() if how.pixels is not None}
    columns = {name: checked_columns(names, how, path.name) for name, how in made.items()}
    pixels = {one for some in columns.values() for one in some}
    others = [name for name in names if name not in pixels]
    if not pixels or len(set(names)) < len(names):
        return None
    types = {name: pa.uint8() if name in pixels else pa.string() for name in names}
    options = pa.csv.ConvertOptions(column_types=types, null_values=[], strings_can_be_null=False)
    rest, rows = [], 0
    files = {name: array_file(into, name, stem).with_suffix(".flat") for name in made}
    try:
        with pa.csv.open_csv(
            path, read_options=pa.csv.ReadOptions(block_size=BLOCK, use_threads=False), convert_options=options
        ) as reader:
            outs = {name: file.open("wb") for name, file in files.items()}
            try:
                for batch in reader:
                    rest.append(batch.select(others))
                    rows += batch.num_rows
                    for name, how in made.items():
                        flat = np.stack([batch.column(one).to_numpy() for one in columns[name]], axis=1)
                        outs[name].write(in_places(flat, how).tobytes())
            finally:
                for out in outs.values():
                    out.close()
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        for file in files.values():
            file.unlink(missing_ok=True)
        return None
    table = pa.Table.from_batches(rest)
    frame = to_frame(table, others, path.name, missing, text, None, written=True)
    for name, how in made.items():
        with array_file(into, name, stem).open("wb") as out, files[name].open("rb") as flat_file:
            write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": (rows, *shape_of(how))})
            while block := flat_file.read(BLOCK):
                out.write(block)
        files[name].unlink()
        frame[name] = pd.Series(Images.mapped(array_file(into, name, stem)))
    return frame
