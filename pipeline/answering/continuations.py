"""A submission of texts: what each row's text goes on with, by the final language models."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.answering.generation import Generator, Lane, generator
from pipeline.answering.submission_layout import CONTINUATION
from pipeline.core.errors import UserError
from pipeline.core.registry import settings_dict
from pipeline.core.sections import Submission
from pipeline.core.seeds import derive_seed
from pipeline.decoding import searches
from pipeline.decoding.base import OneByOne
from pipeline.text.reserved import BOS, UNK

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.answering.final_models import FinalModel

LANES = 64
"""Texts gone on with side by side."""


@dataclass(frozen=True)
class Continuing:
    """How texts are gone on with. length: tokens at most, a row's end among them."""

    length: int
    search: OneByOne
    seed: int

    @classmethod
    def of(cls, submission: Submission) -> Continuing | None:
        """None where the submission is of another kind."""
        if submission.format != "continuations":
            return None
        return cls(submission.length, submission.search, submission.seed)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Continuing:
        return cls(value["length"], searches.build(value["search"], "submission.search"), value["seed"])

    def to_json(self) -> dict[str, Any]:
        return {"length": self.length, "search": settings_dict(self.search), "seed": self.seed}

    def added(
        self,
        predictions: pd.DataFrame,
        rows: pd.DataFrame,
        models: Mapping[str, FinalModel],
        weights: Mapping[str, float],
        warn: Callable[[str], object],
    ) -> pd.DataFrame:
        """Predictions of typed rows with the column ``CONTINUATION``. weights: of the models, above 0."""
        found = generator(models, weights, warn)
        first = next(iter(models.values())).members[0]
        texts = read_prefixes(rows, first.encoder.reads[0])
        return predictions.assign(**{CONTINUATION: self.texts(found, texts, warn)})

    def texts(self, found: Generator, prefixes: Sequence[str], warn: Callable[[str], object]) -> list[str]:
        """What each prefix goes on with, to its row's end or ``length`` tokens. It hangs on the prefix alone, and on
        which of those that are the same it is."""
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(1)  # as in every other place that answers the same rows
        tokens = [
            _shortened(row, self.length, found.steps.longest) for row in found.tokenizer.encode(prefixes, bos=True)
        ]
        if unknown := sum(int((row == UNK).sum()) for row in tokens):
            warn(f"{unknown} tokens of the rows to go on from stand for what training never saw")
        nth: Counter[str] = Counter()
        seeds = []
        for prefix in prefixes:
            seeds.append(derive_seed(self.seed, prefix, nth[prefix]))
            nth[prefix] += 1
        texts = [""] * len(prefixes)
        order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
        for some in _alike(order, tokens):
            lanes = [Lane(found.tokenizer, prefixes[row], tokens[row], joined=False) for row in some]
            begins = np.stack([tokens[row] for row in some])  # [lanes, steps]
            length = self.length if found.steps.longest is None else min(self.length, found.steps.longest - 1)
            for step in self.search.tokens(found.steps, begins, length, [seeds[row] for row in some]):
                for row, lane, token in zip(some, lanes, step.tolist(), strict=True):
                    texts[row] += lane.add(token)
            for row, lane in zip(some, lanes, strict=True):
                texts[row] += lane.rest()
        return texts


def read_prefixes(rows: pd.DataFrame, column: str) -> list[str]:
    """Texts to go on from; of a row without one, from nothing."""
    values = rows[column]
    return ["" if missing else str(value) for value, missing in zip(values, values.isna(), strict=True)]


def check_continuing(submission: Submission) -> None:
    """Raises UserError for a search that cannot go on from a prefix."""
    if submission.format == "continuations" and not isinstance(submission.search, OneByOne):
        raise UserError(
            f"submission.search: '{submission.search.name}' does not go on from a text; use sampling or greedy"
        )


def _shortened(row: np.ndarray, length: int, longest: int | None) -> np.ndarray:
    """A prefix as models of so many positions can read it: its begin, and as much of its end as leaves room."""
    tokens = row.astype(np.int64)
    room = len(tokens) if longest is None else max(longest - length + 1, 2)
    return tokens if len(tokens) <= room else np.concatenate([[BOS], tokens[len(tokens) - room + 1 :]])


def _alike(order: Sequence[int], tokens: Sequence[np.ndarray]) -> list[list[int]]:
    """Rows of one length together, at most ``LANES`` of them."""
    parts: list[list[int]] = []
    for row in order:
        if parts and len(parts[-1]) < LANES and len(tokens[parts[-1][-1]]) == len(tokens[row]):
            parts[-1].append(row)
        else:
            parts.append([row])
    return parts
