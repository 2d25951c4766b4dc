"""What a folder without tables holds, and where the docs say what to do with it."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from pathlib import Path

from pipeline.sources.archives import is_litter

LOOKED_AT = 20_000
"""Files beyond which a folder is judged by the first ones."""
IMAGES = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
BOOKS = {".xlsx", ".xls", ".ods", ".xlsm"}
TEXTS = {".txt", ".text", ".tok"}
TABLES = {".csv", ".tsv", ".parquet", ".npz", ".zip", ".gz", ".bz2", ".xz"}
OTHER_TABLES = {
    ".jsonl": "read_json(..., lines=True)",
    ".ndjson": "read_json(..., lines=True)",
    ".json": "read_json(...)",
    ".feather": "read_feather(...)",
    ".arrow": "read_feather(...)",
    ".orc": "read_orc(...)",
    ".h5": "read_hdf(...)",
    ".hdf5": "read_hdf(...)",
    ".dta": "read_stata(...)",
    ".sav": "read_spss(...)",
    ".sas7bdat": "read_sas(...)",
    ".xml": "read_xml(...)",
}
"""What reads the tables of other programs, of pandas."""
_IMAGE_NAME = re.compile(rf".+(?:{'|'.join(re.escape(one) for one in sorted(IMAGES))})", re.IGNORECASE)
_LANGUAGE = re.compile(r"\.[a-z]{2,3}")


def what_it_holds(folder: Path) -> str:
    """Words about its files, to follow "no train file in it"; '' where there is nothing to say."""
    files = [path for path in islice(folder.rglob("*"), LOOKED_AT) if path.is_file() and not is_litter(path.name)]
    endings = Counter(path.suffix.lower() for path in files)
    images = sum(endings[one] for one in IMAGES)
    parallel = _parallel(files)
    if images > len(files) / 2:
        return f"; it holds {images} images: docs/images.md says how they are read"
    if parallel:
        return f"; it holds parallel text ({', '.join(parallel)}): docs/files.md, Parallel text, says how to read it"
    if others := sorted(path.name for path in files if path.suffix.lower() in OTHER_TABLES):
        reader = OTHER_TABLES[Path(others[0]).suffix.lower()]
        return (
            f"; it holds {', '.join(others[:4])}, which are not read here: pandas.{reader}.to_parquet(...) makes "
            "tables of them"
        )
    if texts := [path.name for path in files if path.suffix.lower() in TEXTS]:
        return (
            f"; it holds plain text ({', '.join(sorted(texts)[:4])}): docs/files.md, Plain text, says how to read it; "
            "a table is named .csv or .tsv"
        )
    if books := [path.name for path in files if path.suffix.lower() in BOOKS]:
        return f"; it holds workbooks ({', '.join(sorted(books)[:4])}): save each sheet as CSV"
    tables = sorted(path.relative_to(folder).as_posix() for path in files if path.suffix.lower() in TABLES)
    return (
        f"; it holds {', '.join(tables[:6])}; name the training file in source.train, or to `add` as --from"
        if tables
        else ""
    )


def _parallel(files: list[Path]) -> list[str]:
    """Names such as ``train.en`` and ``train.de``: one stem, two endings that are languages'."""
    stems: dict[str, set[str]] = {}
    for path in files:
        if _LANGUAGE.fullmatch(path.suffix) and path.suffix not in TABLES | IMAGES | TEXTS | {".md", ".py", ".gz"}:
            stems.setdefault(path.stem, set()).add(path.suffix)
    return next((sorted(f"{stem}{one}" for one in found) for stem, found in stems.items() if len(found) > 1), [])


def names_images(value: object) -> bool:
    """Whether a value is the name of an image file."""
    return isinstance(value, str) and _IMAGE_NAME.fullmatch(value) is not None
