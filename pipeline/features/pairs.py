"""Sentence pairs as sequences of token indices, for translation."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from pipeline.core.columns import draw_of
from pipeline.core.ragged import Ragged
from pipeline.core.registry import PartOf, settings, settings_dict
from pipeline.core.types import Encoded, FeatureSet, InnerFolds, Schema, Spec
from pipeline.features import features
from pipeline.features.texts import read_texts
from pipeline.text.reserved import EOS
from pipeline.text.tokenizers import tokenizers

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.text.tokenizers.base import FittedTokenizer

PIECES = {"name": "sentencepiece", "vocabulary_size": 8000, "exact": False}


@features.register("pairs")
@settings
class Pairs(FeatureSet):
    """A source and a target text column (D2L 10.5), ragged.

    ``source`` ends with an end mark. Where the rows have the target column, ``labels`` are its tokens and an end mark,
    and ``tokens`` what stands before each of them, a begin mark first. ``length`` int64 [rows, 2] counts labels and
    source tokens, by which minibatches are made; of rows to answer [rows, 1], the source's.

    tokenizer: how texts are cut, a part of the shelf ``tokenizers``; what it learns is of each fold's training rows.
        target_tokenizer: the target's own, where it is another. source_prefix: stands before each source, for
        pretrained models that are told what to do.
    joint: one vocabulary of both columns, whose vectors a model may share; else each has its own.
    maximum_length: tokens of a text, its mark included. Longer sources of rows to answer are cut before it. What is
        longer only as it is cut by chance is cut the best way.
    ratio: how many times as many tokens one side may have as the other.
    Models learn from no pair that is longer, less alike, or empty on a side; the report counts these.
    """

    source: str
    target: str
    tokenizer: Annotated[Any, PartOf(tokenizers)] = Field(default_factory=lambda: PIECES)
    target_tokenizer: Annotated[Any, PartOf(tokenizers)] | None = None
    source_prefix: str = ""
    joint: bool = False
    maximum_length: int = Field(default=128, ge=2)
    ratio: float = Field(default=6.0, ge=1)
    gives: ClassVar[frozenset[str]] = frozenset({"source", "tokens", "labels", "length"})
    selects: ClassVar[bool] = True

    @property
    def longest_text(self) -> int:
        return self.maximum_length

    def __post_init__(self) -> None:
        if self.source == self.target:
            raise ValueError(f"source and target are two columns, got '{self.source}' for both")
        if self.joint and self.target_tokenizer is not None:
            raise ValueError("joint is one tokenizer of both columns; take target_tokenizer out, or joint")

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> PairsEncoder:
        source, target = self.sources(rows, schema), read_texts(rows, self.target, schema)
        state: dict[str, Any] = {"source": None}
        if self.joint:
            state["target"] = self.tokenizer.fit(chain(source, target), seed, EOS + 1).state()
        else:
            state["source"] = self.tokenizer.fit(source, seed, EOS + 1).state()
            state["target"] = (self.target_tokenizer or self.tokenizer).fit(target, seed, EOS + 1).state()
        longest = [self.maximum_length, self.maximum_length]
        fitted = PairsEncoder(self, schema, {**state, "longest": longest, "left_out": {}})
        lengths = fitted.lengths(rows)  # [rows, 2]
        faults = self.faults(lengths)
        kept = lengths[~np.logical_or.reduce(list(faults.values()))]  # [kept rows, 2]
        longest = np.clip(kept.max(axis=0, initial=1), 1, self.maximum_length).tolist()
        left_out = {name: int(found.sum()) for name, found in faults.items()}
        return PairsEncoder(self, schema, {**state, "longest": longest, "left_out": left_out})

    def restore(self, state: Mapping[str, Any], schema: Schema) -> PairsEncoder:
        return PairsEncoder(self, schema, state)

    def sources(self, rows: pd.DataFrame, schema: Schema) -> list[str]:
        """The source texts, as they are read."""
        texts = read_texts(rows, self.source, schema)
        return [self.source_prefix + text for text in texts] if self.source_prefix else texts

    def faults(self, lengths: np.ndarray) -> dict[str, np.ndarray]:
        """By what is wrong with them, which pairs are left out of training, none of them twice: bool [rows] each.
        lengths: int64 [rows, 2], the end marks included."""
        least, most = lengths.min(axis=1), lengths.max(axis=1)  # [rows]
        empty, long = least < 2, most > self.maximum_length
        return {"empty": empty, "long": long & ~empty, "unlike": (most > self.ratio * least) & ~empty & ~long}

    def selected(self, encoder: Any, rows: pd.DataFrame) -> np.ndarray:
        return ~np.logical_or.reduce(list(self.faults(encoder.lengths(rows)).values()))

    def facts(self, encoder: Any, rows: pd.DataFrame) -> dict[str, float]:
        """Of rows that it did not learn from: source tokens, the share of unknown ones, and how many are cut; and what
        was left out of those that it did learn from."""
        whole = encoder.source.encode(self.sources(rows, encoder.schema))
        cut = int((whole.lengths >= self.maximum_length).sum())
        told = {
            "tokens": int(whole.lengths.sum()),
            "unknown": encoder.source.vocabulary.unknown_share(whole),
            "cut": cut,
        }
        return told | {f"left_out_{name}": count for name, count in encoder.state()["left_out"].items()}


class PairsEncoder:
    """Made of its settings and its state alone."""

    def __init__(self, settings: Pairs, schema: Schema, state: Mapping[str, Any]) -> None:
        self._settings, self.schema, self._state = settings, schema, dict(state)
        own = settings.target_tokenizer or settings.tokenizer
        self.target: FittedTokenizer = own.restore(state["target"])
        self.source: FittedTokenizer = self.target if settings.joint else settings.tokenizer.restore(state["source"])
        self.reads = [settings.source]
        source, target = state["longest"]
        self.spec = Spec(
            shapes={"source": (source,), "tokens": (target,), "labels": (target,)},
            sizes={"source": len(self.source.vocabulary), "target": len(self.target.vocabulary)},
            vocabularies={"source": self.source.vocabulary.tokens, "target": self.target.vocabulary.tokens},
            pretrained={} if self.source.pretrained is None else {"source": self.source.pretrained},
            tokenizers={"target": {"settings": settings_dict(own), "state": state["target"]}},
        )

    def state(self) -> dict[str, Any]:
        return self._state

    def lengths(self, rows: pd.DataFrame) -> np.ndarray:
        """Tokens of source and target, the end marks included: int64 [rows, 2]."""
        source = self.source.encode(self._settings.sources(rows, self.schema)).lengths
        target = self.target.encode(read_texts(rows, self._settings.target, self.schema)).lengths
        return np.stack([source, target], axis=1) + 1

    def encode(self, rows: pd.DataFrame, training: InnerFolds | None = None) -> Encoded:
        draws = 1 if training is None else max(self.source.draws, self.target.draws)
        encoded: Encoded = {}
        for draw in range(draws):
            columns = self._encoded(rows, None if training is None else draw)
            if draw == 0:
                lengths = [columns[name].lengths for name in ("labels", "source") if name in columns]
                encoded["length"] = np.stack(lengths, axis=1)  # [rows, 2], or 1 without the target
            encoded |= {draw_of(name, draw): column for name, column in columns.items()}
        return encoded

    def _encoded(self, rows: pd.DataFrame, sampling_seed: int | None) -> dict[str, Ragged]:
        sources = self._settings.sources(rows, self.schema)
        source = self._cut(self._marked(self.source, sources, False, sampling_seed))
        source.values[source.ends - 1] = EOS  # of what is cut too
        if self._settings.target not in rows.columns:
            return {"source": source}
        texts = read_texts(rows, self._settings.target, self.schema)
        # A begin, the text's tokens, an end.
        marked = self._marked(self.target, texts, True, sampling_seed)
        labels = self._cut(Ragged(marked.values, marked.begins + 1, marked.ends))
        return {"source": source, "tokens": Ragged(marked.values, marked.begins, labels.ends - 1), "labels": labels}

    def _marked(self, tokenizer: FittedTokenizer, texts: list[str], bos: bool, sampling_seed: int | None) -> Ragged:
        """Whole texts and their marks. Where the way by chance is too long, the best one: cut off, it would teach that
        such a text has no end."""
        marked = tokenizer.encode(texts, bos=bos, eos=True, sampling_seed=sampling_seed)
        longer = np.flatnonzero(marked.lengths > self._settings.maximum_length + bos)
        if sampling_seed is None or not len(longer):
            return marked
        best = tokenizer.encode([texts[i] for i in longer], bos=bos, eos=True)
        chosen = np.arange(len(texts))
        chosen[longer] = len(texts) + np.arange(len(longer))
        return Ragged.concatenate([marked, best]).take(chosen).compact()

    def _cut(self, texts: Ragged) -> Ragged:
        most = self._settings.maximum_length
        return Ragged(texts.values, texts.begins, np.minimum(texts.ends, texts.begins + most))
