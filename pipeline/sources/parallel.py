"""Source ``parallel``: parallel text, a file a language, whose lines belong together."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.files import shown
from pipeline.core.paths import main_root
from pipeline.core.registry import settings
from pipeline.core.types import Source
from pipeline.sources import sources
from pipeline.sources.contents import IMAGES, TABLES, TEXTS
from pipeline.sources.encodings import AUTO
from pipeline.sources.files import by_place
from pipeline.sources.tables import write_table
from pipeline.sources.texts import ROLES, lines_of

if TYPE_CHECKING:
    import pandas as pd

LANGUAGE = re.compile(r"\.([a-z]{2,3}([-_][a-z]{2,4})?)", re.IGNORECASE)
"""How the name of a file ends that is of one language."""
OTHERS = TABLES | IMAGES | TEXTS | {".md", ".py", ".pdf", ".doc", ".log", ".xml", ".xls", ".htm"}
"""Endings that look like a language's and are none."""
DOUBTFUL = {".ps", ".pt", ".sh"}
"""Pashto, Portuguese and Serbo-Croatian, or PostScript, weights and a script."""


@sources.register("parallel")
@settings
class Parallel(Source):
    """Two files of text, line by line a sentence and its translation: ``train.en`` and ``train.de``, with ``valid`` and
    ``test`` in the same way; of the test rows the target may be there or not.

    Writes tables of ``id`` (``number`` where a language is called so) and a column a language. Lines end at ``\\n``
    alone. Lines that are empty in one file are left out, but for those of the test.

    path: a folder, relative to the project or absolute. source, target: endings of the files, such as en and de.
    train, valid, test: names without their endings; found by the usual ones.
    """

    path: str
    source: str
    target: str
    train: str | None = None
    valid: str | None = None
    test: str | None = None
    missing: tuple[str, ...] = Field(default=("",), max_length=1)
    encoding: str = AUTO

    def __post_init__(self) -> None:
        if self.source == self.target:
            raise ValueError(f"source and target are two languages, got {self.source} for both")

    def origin(self) -> dict[str, Path]:
        files = [path for files in self._files().values() for path in files.values()]
        return by_place(files, main_root() / self.path)

    def fetch(self, folder: Path, competition: str, *, look: bool = True) -> None:
        """Raises UserError for files that are missing, empty, no text, or not of as many lines."""
        folder.mkdir(parents=True, exist_ok=True)
        begin, guess, identifier = 0, "", identifier_of(self.source, self.target)
        for role, files in self._files().items():
            rows = self._read(files)
            if role != "test":
                full = (rows[[self.source, self.target]].map(str.strip) != "").all(axis=1)
                if not full.all():
                    names = ", ".join(path.name for path in files.values())
                    told = f"{names}: {int((~full).sum())} pairs with an empty side are left out"
                    print(f"warning: {told}", file=sys.stderr)  # noqa: T201
                rows = rows[full].reset_index(drop=True)
            if rows.empty:
                raise UserError(
                    f"{shown(next(iter(files.values())))}: holds no text; name other files as source.{role}"
                )
            rows.insert(0, identifier, range(begin, begin + len(rows)))
            begin += len(rows)
            guess = guess or rows[self.target][0]
            if role == "test":
                if self.target in files:
                    write_table(rows[[identifier, self.target]], folder / "solution.parquet")
                write_table(rows[[identifier]].assign(**{self.target: guess}), folder / "sample_submission.parquet")
                rows = rows[[identifier, self.source]]
            write_table(rows, folder / f"{role}.parquet")

    def _read(self, files: dict[str, Path]) -> pd.DataFrame:
        import pandas as pd

        sides = {language: lines_of(path, self.encoding) for language, path in files.items()}
        if len({len(lines) for lines in sides.values()}) > 1:
            raise UserError(_unequal(files, sides))
        return pd.DataFrame({language: pd.Series(lines, dtype="str") for language, lines in sides.items()})

    def _files(self) -> dict[str, dict[str, Path]]:
        """By role and language. Raises UserError."""
        place = main_root() / self.path
        if not place.is_dir():
            raise UserError(f"{shown(place)}: no such folder; check source.path")
        there = parallel_files(place, (self.source, self.target))
        found = {}
        for role in ROLES:
            stem = getattr(self, role)
            files = there.get(role, {})
            if stem is not None:
                files = {one: place / f"{stem}.{one}" for one in (self.source, self.target)}
                files = {one: path for one, path in files.items() if path.is_file()}
            files = {one: files[one] for one in (self.source, self.target) if one in files}
            needed = (self.source,) if role == "test" else (self.source, self.target)
            if lacking := [one for one in needed if one not in files]:
                if role == "train" or stem is not None or files:
                    name = f"{stem or role}.{lacking[0]}"
                    raise UserError(f"{shown(place)}: no file such as '{name}' in it; check source.{role}")
                continue
            found[role] = files
        return found


def identifier_of(source: str, target: str) -> str:
    """The column that numbers the rows: no language, of which ``id`` is Indonesian."""
    return "number" if "id" in (source, target) else "id"


def parallel_files(folder: Path, named: Collection[str] = ()) -> dict[str, dict[str, Path]]:
    """By role and language the files whose names say that they are of one. Raises UserError where two could each be
    the file of a role and language. named: endings that are taken for languages whatever they look like."""
    roles = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        if role := next((role for role, name in ROLES.items() if name.fullmatch(path.stem.lower())), None):
            roles[path] = role
    languages = _languages([path for path, role in roles.items() if role == "train"]) | set(named)
    found: dict[str, dict[str, Path]] = {}
    for path, role in roles.items():
        language = path.suffix[1:]
        if language not in languages and not _is_language(path.suffix):
            continue
        if other := found.setdefault(role, {}).get(language):
            raise UserError(
                f"{shown(folder)}: {other.name} and {path.name} could each be the {role} file; "
                f"name one, without its ending, as source.{role}"
            )
        found[role][language] = path
    return found


def _is_language(ending: str) -> bool:
    return LANGUAGE.fullmatch(ending) is not None and ending.lower() not in OTHERS | DOUBTFUL


def _languages(paths: Sequence[Path]) -> set[str]:
    """The doubtful endings of training files that are languages: those beside a file of one other language alone, which
    would else have no translation."""
    sides = Counter(path.stem for path in paths if _is_language(path.suffix))
    return {path.suffix[1:] for path in paths if path.suffix.lower() in DOUBTFUL and sides[path.stem] == 1}


def _unequal(files: dict[str, Path], sides: dict[str, list[str]]) -> str:
    """Files of different lengths, and where they may have come apart."""
    counts = " and ".join(f"{files[one].name} has {len(lines)}" for one, lines in sides.items())
    pairs = zip_longest(*sides.values())
    line = next(i for i, (one, other) in enumerate(pairs, 1) if None in (one, other) or _kind(one) != _kind(other))
    shown_lines = " and ".join(repr(lines[line - 1][:60]) if line <= len(lines) else "none" for lines in sides.values())
    return (
        f"parallel text needs as many lines in each file, and {counts}; the first that differ in kind are those of "
        f"line {line}: {shown_lines}"
    )


def _kind(line: str) -> tuple[bool, list[str]]:
    """What a line and its translation have in common: whether there is text, and its numbers."""
    return not line.strip(), sorted(re.findall(r"\d+", line))
