"""An n-gram model: a table of probabilities and weights, what it says of texts and of what comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from pipeline.core.errors import UserError, reason_of
from pipeline.core.files import read_json, shown, whole_file, write_json
from pipeline.core.ragged import Ragged
from pipeline.text.n_grams.marked import Marked
from pipeline.text.n_grams.places import Places
from pipeline.text.reserved import BOS, EOS, PAD
from pipeline.text.vocabulary import Vocabulary

ARRAYS, FACTS, VOCABULARY = "n_grams.safetensors", "n_grams.json", "vocabulary.txt"

BLOCK = 1 << 16
"""Tokens that are scored at once."""


class NGramModel:
    """Probabilities of n-grams in Katz's form (Katz 1987), in sorted arrays.

    p(w | h) is that of the n-gram hw where the table has it; else that of w after h without its first token, times
    the weight of h (1 where the table has no h).

    vocabulary: reserves begin and end; all tokens of it but padding and begin are foretold.
    keys: for orders 2 to n, int64 [n-grams], ascending; how n-grams are numbered says ``Counts``.
    probabilities: natural logarithms, for orders 1 to n, float64 [n-grams]; order 1 has all of the vocabulary.
    weights: natural logarithms, for orders 1 to n - 1, float64 [n-grams].
    told: what the user should hear of how it was estimated.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        keys: Sequence[np.ndarray],
        probabilities: Sequence[np.ndarray],
        weights: Sequence[np.ndarray],
        told: Sequence[str] = (),
    ) -> None:
        if vocabulary.reserved <= EOS:
            raise ValueError(f"the vocabulary reserves {vocabulary.reserved} indices, {EOS + 1} are needed")
        self.vocabulary = vocabulary
        self.keys = list(keys)
        self.probabilities = list(probabilities)
        self.weights = list(weights)
        self.told = list(told)
        # An n-gram that the table has not is at place -1, where the weight is 1.
        self._weights = [np.append(one, 0.0) for one in weights]

    @property
    def order(self) -> int:
        return len(self.probabilities)

    @property
    def n_grams(self) -> int:
        """How many n-grams of all orders the table has."""
        return len(self.vocabulary) + sum(map(len, self.keys))

    @cached_property
    def _places(self) -> list[Places]:
        return [Places(keys) for keys in self.keys]

    def score(self, rows: Ragged) -> Ragged:
        """Log-probabilities of each row's tokens and of its end, float64, each row one longer than it was.

        rows: of token indices without marks. Contexts do not reach beyond a row.
        Raises ValueError where a row holds padding, begin, or no index of the vocabulary.
        """
        marked = Marked(rows, len(self.vocabulary))
        found = np.empty(marked.positions - 2 * len(rows))
        done = 0
        for begin in range(0, marked.positions, BLOCK):
            # The n - 1 tokens before stand in for all that went before.
            tokens = marked.tokens(begin - self.order + 1, min(begin + BLOCK, marked.positions))
            some = self._score(tokens)[self.order - 1 :]  # [tokens of the block]
            own = tokens[self.order - 1 :]
            some = some[(own != PAD) & (own != BOS)]
            found[done : done + len(some)] = some
            done += len(some)
        return Ragged.from_lengths(found, rows.lengths + 1)

    def _score(self, tokens: np.ndarray) -> np.ndarray:
        """[tokens]: each one's log-probability after the tokens before it."""
        size = len(self.vocabulary)
        found = self.probabilities[0].take(tokens)
        ends, places = np.arange(len(tokens)), tokens  # n-grams of one order that the table has: where each ends
        for order in range(2, self.order + 1):
            within = ends < len(tokens) - 1
            contexts, ends = places[within], ends[within] + 1
            found[ends] += self.weights[order - 2].take(contexts)
            hits, places = self._places[order - 2].find(contexts * size + tokens.take(ends))
            ends = ends.take(hits)
            found[ends] = self.probabilities[order - 1].take(places)
        return found

    def start(self, lanes: int) -> np.ndarray:
        """The state before a row's begin, of so many rows beside each other: int64 [lanes, contexts]."""
        return np.full((lanes, max(self.order - 1, 1)), -1)

    def step(self, tokens: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-probabilities of what comes after the tokens, float64 [lanes, vocabulary], and the state there.

        tokens: [lanes], first of all the begin. Padding and begin are never foretold: minus infinity.
        """
        state = self.advance(tokens, state)
        return self.next(state), state

    def advance(self, tokens: np.ndarray, state: np.ndarray) -> np.ndarray:
        """The state after the tokens. A state has the places of the n-grams that end there, of orders 1 to n - 1; -1
        where the table has none."""
        after = np.full_like(state, -1)
        after[:, 0] = tokens
        for order in range(2, self.order):
            # Below 0 after a context that the table has not, and so never found.
            wanted = state[:, order - 2] * len(self.vocabulary) + after[:, 0]
            hits, places = self._places[order - 2].find(wanted)
            after[hits, order - 1] = places
        return after

    def next(self, state: np.ndarray) -> np.ndarray:
        """[lanes, vocabulary]"""
        size = len(self.vocabulary)
        scores = np.tile(self._first, (len(state), 1))  # [lanes, vocabulary]
        for order in range(2, self.order + 1):
            contexts = state[:, order - 2]  # [lanes]
            scores += self._weights[order - 2][contexts][:, None]
            begins, ends = np.searchsorted(self.keys[order - 2], [contexts * size, (contexts + 1) * size])
            lengths = np.where(contexts < 0, 0, ends - begins)
            lanes = np.repeat(np.arange(len(state)), lengths)
            places = np.arange(len(lanes)) + np.repeat(begins - np.cumsum(lengths) + lengths, lengths)
            scores[lanes, self.keys[order - 2][places] % size] = self.probabilities[order - 1][places]
        return scores

    @cached_property
    def _first(self) -> np.ndarray:
        """[vocabulary]: order 1, in which ARPA files have begin too."""
        first = self.probabilities[0].copy()
        first[[PAD, BOS]] = -np.inf
        return first

    def save(self, folder: Path) -> None:
        """Write ``n_grams.safetensors``, ``vocabulary.txt`` and ``n_grams.json`` (what is told)."""
        named = {"keys": (2, self.keys), "probabilities": (1, self.probabilities), "weights": (1, self.weights)}
        arrays = {f"{name}.{m}": one for name, (first, some) in named.items() for m, one in enumerate(some, first)}
        with whole_file(folder / ARRAYS) as aside:
            save_file(arrays, str(aside))
        self.vocabulary.save(folder / VOCABULARY)
        write_json(folder / FACTS, {"told": self.told})

    @classmethod
    def load(cls, folder: Path) -> NGramModel:
        """Raises UserError where a file is missing, broken, or does not fit the others."""
        told, path = read_json(folder / FACTS)["told"], folder / ARRAYS
        try:
            arrays = load_file(str(path))
            vocabulary = Vocabulary.load(folder / VOCABULARY)
        except (SafetensorError, OSError) as error:
            reason = reason_of(error, 200)
            raise UserError(f"{shown(path)}: not the tables of an n-gram model ({reason}); train it again") from None
        keys = _numbered(arrays, "keys", 2)
        probabilities, weights = _numbered(arrays, "probabilities", 1), _numbered(arrays, "weights", 1)
        whole = len(keys) + len(probabilities) + len(weights) == len(arrays)
        if vocabulary.reserved <= EOS or not whole or not _fits(len(vocabulary), keys, probabilities, weights):
            raise UserError(f"{shown(path)}: its tables do not fit each other or {VOCABULARY}; train it again")
        return cls(vocabulary, keys, probabilities, weights, told)

    def tokens(self, order: int) -> np.ndarray:
        """The n-grams of one order as tokens: [n-grams, order]."""
        places = np.arange(len(self.probabilities[order - 1]))
        found = np.empty((len(places), order), np.int64)
        for m in range(order, 1, -1):
            keys = self.keys[m - 2][places]
            found[:, m - 1] = keys % len(self.vocabulary)
            places = keys // len(self.vocabulary)
        found[:, 0] = places
        return found


def _numbered(arrays: Mapping[str, np.ndarray], name: str, first: int) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    while (key := f"{name}.{first + len(found)}") in arrays:
        found.append(arrays[key])
    return found


def _fits(size: int, keys: list[np.ndarray], probabilities: list[np.ndarray], weights: list[np.ndarray]) -> bool:
    """Whether arrays of a file are a table: shapes, types, and contexts that are there."""
    below = [size, *map(len, keys)]
    return (
        len(keys) == len(weights) == len(probabilities) - 1
        and [one.shape for one in probabilities] == [(length,) for length in below]
        and [one.shape for one in weights] == [(length,) for length in below[:-1]]
        and all(one.dtype == np.int64 and one.ndim == 1 for one in keys)
        and all(one.dtype == np.float64 and not np.isnan(one).any() for one in (*probabilities, *weights))
        and all((np.diff(one, prepend=-1) > 0).all() for one in keys)
        and all((one < length * size).all() for one, length in zip(keys, below))
    )
