"""Arrays in ``.npz`` files (images with their labels, say) as tables of columns."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PIXELS = ("image", "images", "pixel", "pixels")


def tables_from_arrays(
    files: Mapping[str, Path], sample_submission: pd.DataFrame | None, where: str
) -> dict[str, pd.DataFrame]:
    """Tables of the ``train`` and ``test`` arrays, by role. where: what messages call their folder.

    An array [rows] becomes a column of its own name; an array [rows, ...] one column an element,
    ``pixel0``, ``pixel1``, ... for images. Rows get an id where they have none: the test rows that
    of the sample submission (or numbers from 1), the training rows numbers after them. A label
    called ``labels`` is named as the sample submission names it.

    Raises UserError for arrays of objects, or of unlike lengths.
    """
    import pandas as pd

    frames = {role: _columns(path, f"{where}/{path.name}") for role, path in files.items()}
    id_column, label = "id", None
    test_ids: Sequence[int] = range(1, 1 + (len(frames["test"]) if "test" in frames else 0))
    if sample_submission is not None and len(sample_submission.columns) == 2:
        id_column, label = sample_submission.columns
        if len(sample_submission) == len(test_ids) and pd.api.types.is_integer_dtype(sample_submission[id_column]):
            test_ids = sample_submission[id_column].tolist()
    first = max(test_ids, default=0) + 1
    for role, frame in frames.items():
        if label is not None and label not in frame and "labels" in frame:
            frame = frame.rename(columns={"labels": label})
        if id_column not in frame:
            ids = test_ids if role == "test" else range(first, first + len(frame))
            frame.insert(0, id_column, list(ids))
        frames[role] = frame
    return frames


def _columns(path: Path, name: str) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    try:
        with np.load(path, allow_pickle=False) as opened:
            arrays = {key: opened[key] for key in opened.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{name}: not plain arrays ({' '.join(str(error).split())}); save numbers only") from None
    lengths = {key: array.shape[0] if array.ndim else None for key, array in arrays.items()}
    if len(set(lengths.values())) != 1 or None in lengths.values():
        raise UserError(f"{name}: its arrays share their first dimension, the rows, got {lengths}")
    frames = [_frame(key, array) for key, array in arrays.items()]
    return pd.concat(frames, axis=1)


def _frame(name: str, array: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    if array.ndim == 1:
        return pd.DataFrame({name: array})
    stem = "pixel" if name in PIXELS else name
    flat = array.reshape(len(array), -1)  # [rows, ...] -> [rows, elements]
    return pd.DataFrame(flat, columns=[f"{stem}{i}" for i in range(flat.shape[1])])
