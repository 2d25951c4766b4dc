"""Parallel files -> the description of a competition of translation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError
from pipeline.core.files import shown
from pipeline.core.paths import main_root
from pipeline.sources.files import USUAL_NAMES
from pipeline.sources.parallel import identifier_of, parallel_files
from pipeline.sources.tables import find_table

if TYPE_CHECKING:
    import pandas as pd

MANY = 20_000
"""Training pairs from which a part of them, held out once, tells enough."""
PART = 0.03
SEVERAL = 0.01
"""Share of texts that stand there again, from which equal ones are kept together."""
ONCE = "; what it validated answers (refit: false), since training takes long and these pairs are few"
PIECES = {1000: 500, 5000: 1500, 20_000: 4000}
"""Training pairs up to which so many pieces are learned."""
LARGEST = 8000


def parallel_source(source: str, target: str | None) -> dict[str, Any] | None:
    """A source of parallel text, where the files are that and no tables; else None.

    target: its language, as given. Raises UserError where it cannot be told which language is translated into which.
    """
    place = main_root() / source
    if not place.is_dir() or any(find_table(place, stem) for stem in USUAL_NAMES["train"]):
        return None
    files = parallel_files(place, () if target is None else (target,))
    languages, asked = list(files.get("train", ())), list(files.get("test", ()))
    if len(languages) < 2:
        return None
    told = f"{shown(place)}: parallel text of {', '.join(languages)}"
    if target is not None and target not in languages:
        raise UserError(f"--target: no training file of '{target}'; {told}")
    targets = [target] if target else [one for one in languages if asked and one not in asked]
    if len(targets) != 1:
        raise UserError(f"{told}: which is to be predicted? give --target, such as --target {languages[-1]}")
    sources = [one for one in languages if one != targets[0] and (not asked or one in asked)]
    if len(sources) != 1:
        raise UserError(f"{told}: which is translated into {targets[0]}? Put the files of one in a folder of their own")
    return {"name": "parallel", "path": source, "source": sources[0], "target": targets[0]}


def describe(origin: Mapping[str, Any], train: pd.DataFrame, valid: bool, metric: str | None) -> dict[str, Any]:
    """What ``gallery.compose`` takes."""
    source, target = str(origin["source"]), str(origin["target"])
    split, why = keep_alike(*split_of(len(train), valid), train[source])
    competition = {
        "source": dict(origin),
        "columns": {"id": identifier_of(source, target), "target": target, "types": {source: "text"}},
        "task": {"name": "translation"},
        "metric": metric or "bleu",
        "split": split,
        "features": {},
        "blend": {"name": "ensemble" if metric == "perplexity" else "consensus"},  # which has no probability
        "submission": "values",
        "guessed": {"task": f"parallel text: {target} from {source}, line by line", "split": why},
    }
    return {
        "competition": competition,
        "portfolio": "translation",
        "rows": len(train),
        "words": words_of(train[target]),
        "columns": {"pairs": sides(source, target, len(train))},
    }


def sides(source: str, target: str, rows: int) -> dict[str, Any]:
    """Settings of the feature set ``pairs`` for so many of them: fewer pieces where there is less to learn from."""
    size = next((size for most, size in PIECES.items() if rows <= most), LARGEST)
    tokenizer = {"name": "sentencepiece", "vocabulary_size": size, "exact": False}
    return {"source": source, "target": target, "tokenizer": tokenizer}


def split_of(rows: int, valid: bool) -> tuple[dict[str, Any], str]:
    """How so many pairs are split, and why."""
    if valid:
        return {"name": "holdout", "rows": "valid", "refit": False}, f"the file of validation pairs{ONCE}"
    if rows >= MANY:
        why = f"{rows} pairs: a part of them, held out once, tells enough"
        some = {"name": "holdout", "rows": "random", "part": PART, "seed": 0, "refit": False}
        return some, f"{why}{ONCE}"
    return {"name": "shuffled", "folds": 3, "seed": 0}, "no groups and no time were named or found"


def keep_alike(split: dict[str, Any], why: str, sources: pd.Series) -> tuple[dict[str, Any], str]:
    """The same, and equal sources on one side: what a model has seen translated would else be asked of it again."""
    again = float(sources.duplicated(keep=False).mean())
    if split.get("rows") == "valid" or again < SEVERAL:
        return split, why
    name = str(sources.name)
    return {**split, "alike": name}, f"{why}; {again:.0%} of the texts in '{name}' stand there again, and stay together"


def words_of(texts: pd.Series) -> float:
    """Of a text on average."""
    return float(texts.dropna().astype(str).str.count(r"\S+").mean())
