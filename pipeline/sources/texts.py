"""Source ``texts``: plain text for language models, as it lies in files."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.files import shown
from pipeline.core.paths import main_root
from pipeline.core.registry import settings
from pipeline.core.types import Source
from pipeline.sources import sources
from pipeline.sources.encodings import AUTO, encoding_of, to_text, told_of_cp1252
from pipeline.sources.files import USUAL_NAMES, by_place
from pipeline.sources.tables import find_table, read_table, write_table

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".txt", ".text", ".tok", ".tokens")
ROLES = {
    "train": re.compile(r"(.*[._-])?train(ing)?([._-].*)?|input|text|corpus"),
    "valid": re.compile(r"(.*[._-])?(valid(ation)?|val|dev)([._-].*)?"),
    "test": re.compile(r"(.*[._-])?test(ing)?([._-].*)?"),
}
"""How the names of files, without their ending, say what they are for."""


@sources.register("texts")
@settings
class Texts(Source):
    """Text files, a row a line, a paragraph or a file.

    Writes tables of ``id``, ``text`` and the target, how many ``unit``s a row has, its end counted as one (that is how
    perplexities of the Penn Treebank are counted). Lines end at ``\\n`` alone; a row that ends a file without one is a
    row too. Where a sample submission lies beside them, its ids are the test rows', in their order; else rows are
    numbered, and a submission says ``nll``.

    path: a folder, relative to the project or absolute, or one file of it.
    train, valid, test: names within it; found by the usual ones (``input.txt``, ``ptb.train.txt``).
    rows: what a row is; paragraphs are parted by empty lines.
    unit: words, parted by white space, or characters.
    """

    path: str
    train: str | None = None
    valid: str | None = None
    test: str | None = None
    rows: Literal["line", "paragraph", "file"] = "line"
    unit: Literal["words", "characters"] = "words"
    missing: tuple[str, ...] = Field(default=("",), max_length=1)
    encoding: str = AUTO

    def origin(self) -> dict[str, Path]:
        given, place = self._sample(), main_root() / self.path
        files = [*self._files().values(), *([] if given is None else [given])]
        return by_place(files, place if place.is_dir() else place.parent)

    def fetch(self, folder: Path, competition: str, *, look: bool = True) -> None:
        """Raises UserError for files that are missing, empty, or no text."""
        folder.mkdir(parents=True, exist_ok=True)
        begin, given = 0, self._sample()
        name = "id" if given is None else self._name(given)
        for role, path in self._files().items():
            rows = self.read(path)
            if not rows["text"].str.strip().any():
                raise UserError(f"{shown(path)}: holds no text; name another file as source.{role}")
            rows.insert(0, name, range(begin, begin + len(rows)))
            begin += len(rows)
            if role == "test":
                if given is not None:
                    rows[name] = _ids(given, len(rows), path)
                    shutil.copyfile(given, folder / f"sample_submission{given.suffix}")
                else:
                    write_table(rows[[name]].assign(nll=0.0), folder / "sample_submission.parquet")
                write_table(rows[[name, self.unit]], folder / "solution.parquet")
                rows = rows.drop(columns=self.unit)
            write_table(rows, folder / f"{role}.parquet")

    def read(self, path: Path) -> pd.DataFrame:
        """A text file as its rows: ``text`` and how many units each has."""
        import pandas as pd

        rows = pd.DataFrame({"text": pd.Series(_cut(text_of(path, self.encoding), self.rows), dtype="str")})
        counts = [len(one if self.unit == "characters" else one.split()) + 1 for one in rows["text"]]
        return rows.assign(**{self.unit: counts})

    def _name(self, sample: Path) -> str:
        """What a sample submission calls its ids. Raises UserError where a column beside them is called so."""
        name = str(read_table(sample).columns[0])
        if name in ("text", self.unit):
            raise UserError(
                f"{shown(sample)}: its first column has the ids, and another one of the rows is called '{name}' too; "
                "give it another name, such as id"
            )
        return name

    def _sample(self) -> Path | None:
        place = main_root() / self.path
        names = USUAL_NAMES["sample_submission"]
        return next((path for stem in names if (path := find_table(place, stem))), None) if place.is_dir() else None

    def _files(self) -> dict[str, Path]:
        """The file of each role that is there. Raises UserError."""
        place = main_root() / self.path
        if place.is_file():
            return {"train": place}
        if not place.is_dir():
            raise UserError(f"{shown(place)}: no such folder or file; check source.path")
        found = {}
        for role in ROLES:
            named = getattr(self, role)
            if named is not None and not (place / named).is_file():
                raise UserError(f"{shown(place)}: no file '{named}' in it, which source.{role} names")
            if path := place / named if named is not None else text_file(place, role):
                found[role] = path
        if "train" not in found:
            raise UserError(
                f"{shown(place)}: no text to train on (such as input.txt or x.train.txt); name source.train"
            )
        return found


def _ids(sample: Path, rows: int, path: Path) -> pd.Series:
    """A sample submission's ids, to the character."""
    first = read_table(sample).columns[0]
    ids = read_table(sample, missing=(), text=[first])[first]
    if len(ids) != rows:
        raise UserError(f"{shown(sample)}: needs a row for each of the {rows} of {path.name}, got {len(ids)}")
    return ids


def text_of(path: Path, encoding: str) -> str:
    """A file's text; Windows' ends of lines are plain ones. Warns of a file that is taken for cp1252. Raises UserError
    where it is none."""
    data = path.read_bytes()
    found = encoding_of(data, shown(path)) if encoding == AUTO else encoding
    if encoding == AUTO and found == "cp1252":
        print(f"warning: {told_of_cp1252(data, shown(path))}", file=sys.stderr)  # noqa: T201
    text = to_text(data, shown(path), found)
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise UserError(f"{shown(path)}, line {line}: has a zero byte, which no text has; give a file of plain text")
    return text.replace("\r\n", "\n")


def lines_of(path: Path, encoding: str) -> list[str]:
    """A file's lines, which end at ``\\n`` alone."""
    return _cut(text_of(path, encoding), "line")


def text_file(folder: Path, role: str) -> Path | None:
    """The text file of a role by its name; for training also the only one that is there."""
    texts = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in ENDINGS)
    named = [path for path in texts if ROLES[role].fullmatch(path.stem.lower())]
    if len(named) > 1:
        raise UserError(
            f"{shown(folder)}: {', '.join(path.name for path in named[:3])} could each be the {role} file; "
            f"name one as source.{role}"
        )
    if named:
        return named[0]
    return texts[0] if role == "train" and len(texts) == 1 else None


def _cut(text: str, rows: str) -> list[str]:
    if rows == "file":
        return [text] if text.strip() else []
    if rows == "paragraph":
        return [part.strip("\n") for part in re.split(r"\n[ \t]*\n\s*", text) if part.strip()]
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines
