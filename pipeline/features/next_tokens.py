"""Texts as sequences whose every token is predicted from those before it, for language models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.core.ragged import Ragged
from pipeline.core.registry import settings
from pipeline.core.types import Encoded, InnerFolds, Schema, Spec
from pipeline.features import features
from pipeline.features.texts import read_texts
from pipeline.features.tokenized import Tokenized
from pipeline.text.reserved import EOS

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.text.tokenizers.base import FittedTokenizer


@features.register("next_tokens")
@settings
class NextTokens(Tokenized):
    """A text column as ``tokens`` and ``labels``, ragged and of the same lengths (D2L 9.3).

    A text of n tokens has n + 1 labels: its own and an end mark; the token beside a label is the one before it, the
    first a begin mark. What becomes of the rows (whole, in windows, read on from one to the next) is for
    ``fit.sampling`` to say.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"tokens", "labels"})  # type: ignore[misc]

    def __post_init__(self) -> None:
        if self.tokenizer.by_chance:
            raise ValueError("tokenizer.alpha: texts that are read on from row to row are cut in one way; take it out")

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> NextTokensEncoder:
        texts = read_texts(rows, self.column, schema)
        fitted = self.tokenizer.fit(texts, seed, EOS + 1)
        longest = int(fitted.encode(texts).lengths.max(initial=0)) + 1
        return NextTokensEncoder(self, schema, {"tokenizer": fitted.state(), "longest": longest})

    def restore(self, state: Mapping[str, Any], schema: Schema) -> NextTokensEncoder:
        return NextTokensEncoder(self, schema, state)

    def facts(self, encoder: Any, rows: pd.DataFrame) -> dict[str, float]:
        whole = encoder.tokenizer.encode(read_texts(rows, self.column, encoder.schema))
        unknown = encoder.tokenizer.vocabulary.unknown_share(whole)
        return {"tokens": int(whole.lengths.sum()), "unknown": unknown, "cut": 0}


class NextTokensEncoder:
    """Made of its settings and its state alone."""

    def __init__(self, settings: NextTokens, schema: Schema, state: Mapping[str, Any]) -> None:
        self._settings, self.schema, self._state = settings, schema, dict(state)
        self.tokenizer: FittedTokenizer = settings.tokenizer.restore(state["tokenizer"])
        vocabulary = self.tokenizer.vocabulary
        self.reads = [settings.column]
        self.spec = Spec(
            shapes={name: (state["longest"],) for name in ("tokens", "labels")},
            sizes={"tokens": len(vocabulary)},
            vocabularies={"tokens": vocabulary.tokens},
        )

    def state(self) -> dict[str, Any]:
        return self._state

    def encode(self, rows: pd.DataFrame, training: InnerFolds | None = None) -> Encoded:
        texts = read_texts(rows, self._settings.column, self.schema)
        marked = self.tokenizer.encode(texts, bos=True, eos=True)  # a begin, the text's tokens, an end
        return {
            "tokens": Ragged(marked.values, marked.begins, marked.ends - 1),
            "labels": Ragged(marked.values, marked.begins + 1, marked.ends),
        }
