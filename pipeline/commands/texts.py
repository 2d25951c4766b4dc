"""Plain text -> the description of a language-model competition."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.paths import main_root
from pipeline.sources.files import USUAL_NAMES
from pipeline.sources.tables import find_table
from pipeline.sources.texts import ENDINGS, text_file

if TYPE_CHECKING:
    import pandas as pd

LOOKED_AT = 1 << 20
"""Bytes of a text that tell what it is counted by."""
FEWEST = 20
"""Paragraphs, and lines that another of the same paragraph follows, from which on rows may be paragraphs."""
WRAPPED = 0.9
"""Part of these lines that have no room for another word where a program cut them."""
PART = 0.1
"""Of the rows, the last ones, that validate where there is no file of them."""


def text_source(source: str, metric: str | None = None) -> dict[str, Any] | None:
    """A source of plain text, where the files are that and no tables; else None. metric: as given, which may say what
    texts are counted by."""
    from pipeline.metrics import metrics

    place = main_root() / source
    if place.is_file():
        file = place if place.suffix.lower() in ENDINGS else None
    else:
        file = None if any(find_table(place, stem) for stem in USUAL_NAMES["train"]) else text_file(place, "train")
    if file is None:
        return None
    counted = metrics.get(metric).counts if metric is not None and metric in metrics else None
    return {"name": "texts", "path": source, "rows": _rows(file), "unit": counted or _unit(file)}


def no_columns(source: str, target: str) -> str:
    """Why a text of no columns has no target, and what to do where its lines are rows of a table."""
    place = main_root() / source
    file = place if place.is_file() else text_file(place, "train")
    with (file or place).open("rb") as stream:
        lines = [line for line in stream.read(LOOKED_AT).split(b"\n")[:FEWEST] if line.strip()]
    told = f"--target: no column '{target}'; {file.name if file else source} is plain text, which has no columns"
    counts = {line.count(b"\t") for line in lines}
    if len(counts) == 1 and (tabs := counts.pop()):
        return (
            f"{told}; its lines have {tabs + 1} values with tabs between: name it train.tsv and write a line of "
            f"{tabs + 1} column names above them"
        )
    return f"{told}; leave --target out, and a language model learns the text"


def _rows(file: Path) -> str:
    """What a row of it is: a paragraph where lines are cut at a width, each but a paragraph's last having no room for
    the next one's first word; else a line."""
    with file.open("rb") as stream:
        text = stream.read(LOOKED_AT).decode("utf-8", errors="replace").replace("\r\n", "\n")
    paragraphs = [part.split("\n") for part in re.split(r"\n[ \t]*\n\s*", text.strip())]
    pairs = [pair for lines in paragraphs for pair in pairwise(lines)]
    if len(paragraphs) < FEWEST or len(pairs) < FEWEST:
        return "line"
    width = max(len(line) for line, _ in pairs)
    full = [len(line) + 1 + len((after.split(maxsplit=1) or [""])[0]) > width for line, after in pairs]
    return "paragraph" if sum(full) >= WRAPPED * len(full) else "line"


def _unit(file: Path) -> str:
    """What a text is counted by: words where somebody has cut it into known and unknown ones."""
    with file.open("rb") as stream:
        return "words" if b" <unk> " in stream.read(LOOKED_AT) else "characters"


def describe(
    origin: Mapping[str, Any],
    train: pd.DataFrame,
    valid: bool,
    test: bool,
    sample: pd.DataFrame | None,
    metric: str | None,
) -> dict[str, Any]:
    """What ``gallery.compose`` takes. valid, test: whether there is such a file."""
    unit = str(origin["unit"])
    cut = bool(train["text"].str.contains("<unk>", regex=False).any())
    why = {
        "task": "plain text: a language model, each token predicted from those before it",
        "source.rows": "a row is a line; paragraph and file are the other ways"
        if origin["rows"] == "line"
        else "a row is a paragraph, since its lines are cut at a width; line and file are the other ways",
        "source.unit": f"the metric is counted by {unit}, a line's end as one of them"
        + (", as the text has <unk> in it" if unit == "words" else ""),
        "features": "words, as the text has <unk> in it" if cut else "characters",
        "split": "the file of validation texts" if valid else f"the last {PART:.0%} of the rows validate",
    }
    split: dict[str, Any] = {"name": "holdout", "rows": "valid"}
    if not valid:
        split = {**split, "rows": "last", "part": PART}
    elif cut and test:
        split["refit"] = False
        why["split"] += ", which nothing trains on (refit), as published results on such texts have it"
    submission = "values"
    if sample is not None and len(sample.columns) > 1 and sample[sample.columns[1]].dtype == "str":
        submission = "continuations"
        why["submission"] = f"'{sample.columns[1]}' of the sample holds words: what each test row goes on with"
    competition = {
        "source": dict(origin),
        "columns": {"id": str(train.columns[0]), "target": unit, "types": {"text": "text"}},
        "task": {"name": "language_model"},
        "metric": metric or "perplexity",
        "split": split,
        "features": {},
        "blend": {"name": "mixture"},
        "submission": submission,
        "guessed": why,
    }
    lengths = train["text"].fillna("").map(lambda text: len(text.split() if cut else text))  # empty lines are rows
    return {
        "competition": competition,
        "portfolio": f"language_model_{'words' if cut else 'characters'}",
        "rows": len(train),
        "words": float(lengths.mean()) + 1,  # a row's end is learned too
        "columns": {"next_tokens": {"column": "text"}},
    }
