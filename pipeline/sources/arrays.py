"""Arrays in ``.npz`` and idx files (images with their labels, say) as tables, their images apart."""

from __future__ import annotations

import gzip
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pipeline.core.errors import UserError
from pipeline.core.files import shown

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PIXELS = ("image", "images", "pixel", "pixels", "x")
"""Names of arrays of images, where an image is a row of pixels."""
BLOCK = 4 << 20
IDX = re.compile(r"(?:.*[-_])?(train|valid|test|t10k)[-_.](images|labels)[-_.](?:idx\d[-_]ubyte|idx)(\.gz)?")
_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
"""Of idx files (LeCun, the MNIST database)."""
CUT = (EOFError, OSError, KeyError, zipfile.BadZipFile, zlib.error)
"""What reading raises where a file is damaged or ends too soon."""


@dataclass(frozen=True)
class Array:
    """An array in a file, not read yet. member: of a zip, if it is one."""

    path: Path
    member: str | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool = False

    @contextmanager
    def values(self) -> Iterator[IO[bytes]]:
        """The file, from its first value on."""
        with _opened(self.path, self.member) as stream:
            _header(stream, self.member is not None)
            yield stream

    def take(self, stream: IO[bytes], count: int) -> bytes:
        """The bytes of the next ``count`` values. Raises UserError where there are fewer."""
        try:
            data = stream.read(count * self.dtype.itemsize)
        except CUT as error:
            raise UserError(_told_cut(self.path.name, error)) from None
        if len(data) < count * self.dtype.itemsize:
            raise UserError(_told_cut(self.path.name, EOFError("it ends before its last value")))
        return data

    def read(self) -> np.ndarray:
        import numpy as np

        with self.values() as stream:
            flat = np.frombuffer(self.take(stream, prod(self.shape)), dtype=self.dtype)
        return flat.reshape(self.shape, order="F" if self.fortran else "C")


def find_arrays(folder: Path, stem: str) -> dict[str, Path]:
    """Files of the arrays of ``train``, ``valid`` or ``test``, by name, "" for an ``.npz``; where there are some."""
    if (file := folder / f"{stem}.npz").is_file():
        return {"": file}
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        match = IDX.fullmatch(path.name.lower())
        if match and path.is_file() and {"t10k": "test"}.get(match[1], match[1]) == stem:
            found.setdefault(match[2], path)
    return found


def bring_arrays(origin: Path, folder: Path, stem: str, where: str) -> None:
    """Copy the arrays of a set of rows into ``raw/``; labels of test images become the solution.

    Raises UserError as ``arrays_in`` does.
    """
    files = find_arrays(origin, stem)
    if not files:
        return
    arrays_in(files, where)
    for key, path in files.items():
        packed = ".gz" if path.suffix.lower() == ".gz" else ""
        if stem == "test" and key == "labels":
            _write_solution(files, folder, where)
        else:
            shutil.copyfile(path, folder / (f"{stem}-{key}.idx{packed}" if key else f"{stem}.npz"))


def _write_solution(files: Mapping[str, Path], folder: Path, where: str) -> None:
    import pandas as pd

    from pipeline.sources.tables import find_table, write_table

    if find_table(folder, "solution") is None:
        labels = arrays_in(files, where)["labels"].read()
        write_table(pd.DataFrame({"id": range(1, 1 + len(labels)), "labels": labels}), folder / "solution.csv")


def arrays_in(files: Mapping[str, Path], where: str) -> dict[str, Array]:
    """Raises UserError for arrays of objects, of unlike lengths, or of no rows. where: what messages call their
    folder."""
    found = {}
    for key, path in files.items():
        try:
            members = [None] if key else zipfile.ZipFile(path).namelist()
            for member in members:
                with _opened(path, member) as stream:
                    shape, fortran, dtype = _header(stream, member is not None)
                if dtype.hasobject:
                    raise ValueError("objects, which could be code")
                found[key or str(member).removesuffix(".npy")] = Array(path, member, shape, dtype, fortran)
        except CUT as error:
            raise UserError(_told_cut(f"{where}/{path.name}", error)) from None
        except ValueError as error:
            told = " ".join(str(error).split())
            raise UserError(f"{where}/{path.name}: not plain arrays ({told}); save numbers only") from None
    names = ", ".join(path.name for path in files.values())
    lengths = {key: array.shape[0] if array.shape else None for key, array in found.items()}
    if len(set(lengths.values())) != 1 or None in lengths.values():
        raise UserError(f"{where}/{names}: its arrays share their first dimension, the rows, got {lengths}")
    if 0 in lengths.values():
        raise UserError(f"{where}/{names}: holds no rows")
    return found


def read_arrays(files: Mapping[str, Path], stem: str, into: Path, *, alone: bool = False) -> pd.DataFrame:
    """The table of the arrays of a set of rows, as ``find_arrays`` found them.

    An array [rows] becomes a column of its own name, images (uint8 or uint16 [rows, height, width] or with channels,
    first or last) a column of images, whose array is written ``into`` a folder a few megabytes at a time, and which is
    called ``image`` where one array has such a name; any other array a column an element, ``x0``, ``x1``, …. Rows get
    an id where they have none: the test rows that of the sample submission (or numbers from 1), the training rows
    numbers after them. A label called ``labels`` is named as the sample submission names it. alone: what lies beside
    the files says nothing of them, and rows get no id.
    """
    import pandas as pd

    from pipeline.images.column import Images
    from pipeline.images.rows import array_file

    folder = next(iter(files.values())).parent
    arrays = arrays_in(files, shown(folder))
    rows = next(iter(arrays.values())).shape[0]
    columns: dict[str, Any] = {} if alone else _ids(folder, arrays, stem, rows)
    usual = [key for key, array in arrays.items() if key in PIXELS and image_shape(key, array) is not None]
    for key, array in arrays.items():
        name = label_name(folder, arrays) if key == "labels" and not alone else key
        if (shape := image_shape(key, array)) is not None:
            name = "image" if usual == [key] and "image" not in {*arrays} - {key} else key
            _write_images(array, shape, array_file(into, name, stem))
            columns[name] = pd.Series(Images.mapped(array_file(into, name, stem)))
        elif len(array.shape) == 1:
            values = array.read()
            columns[name] = values.astype(values.dtype.newbyteorder("="))
        else:
            flat = array.read().reshape(rows, -1)  # [rows, ...] -> [rows, elements]
            columns |= {f"{key}{i}": values for i, values in enumerate(flat.T)}
    return pd.DataFrame(columns)


def _ids(folder: Path, arrays: Mapping[str, Array], stem: str, rows: int) -> dict[str, list[int]]:
    """The id column of a set of rows, as the sample submission in the folder has it; none where it is an array."""
    import pandas as pd

    from pipeline.sources.tables import find_table, read_table

    sample_file, test = find_table(folder, "sample_submission"), find_arrays(folder, "test")
    sample = None if sample_file is None else read_table(sample_file)
    name = "id"
    asked = next(iter(arrays_in(test, shown(folder)).values())).shape[0] if test else 0
    test_ids: Sequence[int] = range(1, 1 + asked)
    if sample is not None and len(sample.columns) == 2:
        name = str(sample.columns[0])
        if len(sample) == asked and pd.api.types.is_integer_dtype(sample[name]):
            test_ids = sample[name].tolist()
    if name in arrays:
        return {}
    first = max(test_ids, default=0) + 1
    return {name: list(test_ids if stem == "test" else range(first, first + rows))}


def label_name(folder: Path, arrays: Mapping[str, Array]) -> str:
    """What the column of an array ``labels`` is called: as the sample submission in the folder calls it."""
    from pipeline.sources.tables import find_table, read_table

    sample = find_table(folder, "sample_submission")
    names = [] if sample is None else [str(name) for name in read_table(sample)]
    return names[1] if len(names) == 2 and names[1] not in arrays else "labels"


def image_shape(name: str, array: Array) -> tuple[int, int, int] | None:
    """Height, width and channels where an array is one of images; None where it is not."""
    rest = array.shape[1:]
    if array.dtype.kind != "u" or array.dtype.itemsize > 2 or not prod(array.shape):
        return None
    return _image_shape(name, rest)


def not_images(folder: Path, stem: str) -> list[str]:
    """A line for each array of a set of rows that has the shape of images and a type that leaves their white open."""
    told = []
    for name, array in arrays_in(files, shown(folder)).items() if (files := find_arrays(folder, stem)) else ():
        rest = array.shape[1:]
        if prod(array.shape) and image_shape(name, array) is None and _image_shape(name, rest) is not None:
            size = " x ".join(map(str, rest))
            told.append(
                f"array '{name}': {array.dtype} of {size} a row is read as {prod(rest)} columns of numbers; images are "
                "uint8, or uint16, of which 65535 is white"
            )
    return told


def _image_shape(name: str, rest: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Of the shape of a row."""
    if len(rest) == 1 and name in PIXELS and round(rest[0] ** 0.5) ** 2 == rest[0]:
        return round(rest[0] ** 0.5), round(rest[0] ** 0.5), 1
    if len(rest) == 2:
        return rest[0], rest[1], 1
    if len(rest) != 3:
        return None
    return (rest[1], rest[2], rest[0]) if _first(rest) else (rest[0], rest[1], rest[2])


def _first(rest: tuple[int, ...]) -> bool:
    """Whether channels stand before height and width."""
    return len(rest) == 3 and rest[0] in (1, 3, 4) and rest[2] not in (1, 3, 4)


def _write_images(array: Array, shape: tuple[int, int, int], file: Path) -> None:
    """As uint8 [rows, height, width, channels]."""
    import numpy as np
    from numpy.lib.format import write_array_header_1_0

    from pipeline.images.decoding import DEEP, eight_bits

    def images(values: np.ndarray) -> bytes:
        if _first(array.shape[1:]):
            values = values.transpose(0, 2, 3, 1)  # channels last
        return (values if values.dtype == np.uint8 else eight_bits(values, DEEP)).tobytes()

    rows, each = array.shape[0], prod(shape)
    with file.open("wb") as out:
        write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": (rows, *shape)})
        if array.fortran:
            out.write(images(array.read()))
            return
        with array.values() as stream:
            some = max(1, BLOCK // each)
            for begin in range(0, rows, some):
                data = array.take(stream, min(some, rows - begin) * each)
                out.write(images(np.frombuffer(data, array.dtype).reshape(-1, *array.shape[1:])))


def _told_cut(name: str, error: Exception) -> str:
    told = " ".join(str(error).split()).lower().removesuffix(".") or type(error).__name__
    return f"{name}: is damaged or cut off ({told}); download or write it again"


@contextmanager
def _opened(path: Path, member: str | None) -> Iterator[IO[bytes]]:
    if member is not None:
        with zipfile.ZipFile(path) as opened, opened.open(member) as stream:
            yield stream
        return
    with path.open("rb") as begin:
        packed = begin.read(2) == b"\x1f\x8b"
    with gzip.open(path) if packed else path.open("rb") as stream:
        yield stream  # type: ignore[misc]


def _header(stream: IO[bytes], of_numpy: bool) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and type; the stream then stands at the first value."""
    import numpy as np
    from numpy.lib import format as npy

    if of_numpy:
        version = npy.read_magic(stream)
        return (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(stream)
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        raise ValueError("no idx file")
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise EOFError("it ends in its header")
    shape = tuple(int.from_bytes(sizes[4 * i : 4 * i + 4], "big") for i in range(magic[3]))
    return shape, False, np.dtype(_TYPES[magic[2]])
