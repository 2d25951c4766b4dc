"""Texts as pieces of words, learned from them."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from itertools import chain
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.ragged import smallest_type
from pipeline.core.registry import settings
from pipeline.core.seeds import derive_seed, threads
from pipeline.text.batches import Batch, batches, checked
from pipeline.text.reserved import BOS, EOS, RESERVED
from pipeline.text.tokenizers import tokenizers
from pipeline.text.tokenizers.base import FittedTokenizer, Tokenizer
from pipeline.text.vocabulary import Vocabulary

SENTENCE = 1000
"""Characters of a sentence that it learns from; sentencepiece leaves out what has more than 4192 bytes."""

CHARACTERS = 1 << 17
"""Of a batch: lists of Python's integers are made of it, which are slow once there are many of them."""

SPACE, ESCAPE = "\u2581", "\ufdd0"
"""What sentencepiece writes for a space, and what stands before a digit where a text holds one of these two itself."""

_ESCAPES = str.maketrans({ESCAPE: ESCAPE + "0", SPACE: ESCAPE + "1"})
_ESCAPED = re.compile(f"{ESCAPE}([01])")
_UNLEARNABLE = str.maketrans({"\t": " ", "\0": " ", "\u2585": " ", SPACE: " "})
"""Characters for which sentencepiece leaves a whole sentence out."""


@tokenizers.register("sentencepiece")
@settings
class SentencePiece(Tokenizer):
    """Pieces of words by byte-pair encoding (Sennrich et al. 2016) or a unigram model (Kudo 2018), with the library
    sentencepiece. A character without a piece is its bytes, so nothing is unknown; a line's end is such a byte.

    vocabulary_size: all pieces, 256 bytes and the reserved ones included; exact: whether texts that have no pieces for
    so many are refused; else it takes as many as they have. character_coverage: share of the texts' characters that
    have pieces; sentences: it learns from at most so many, drawn always alike, which bounds its memory.
    alpha: above 0, training texts are cut by chance, and all others the best way: for bpe the share of merges left out
        (BPE-dropout, Provilkov et al. 2020), for unigram the smoothing (subword regularisation, Kudo 2018).
    draws: with it, ways in which each training text is cut; an epoch takes the next one, and then the first again.
    nbest: unigram draws from so many best ways, -1: from all.
    """

    lossless: ClassVar[bool] = True
    kind: Literal["bpe", "unigram"] = "bpe"
    vocabulary_size: int = Field(default=8000, gt=256 + len(RESERVED))
    exact: bool = True
    character_coverage: float = Field(default=0.9995, ge=0.98, le=1)
    sentences: int = Field(default=1_000_000, ge=100)
    alpha: float = Field(default=0.0, ge=0, le=1)
    draws: int = Field(default=4, ge=1)
    nbest: int = Field(default=-1, ge=-1, le=512)

    @property
    def by_chance(self) -> bool:
        return self.alpha > 0

    def fit(self, texts: Iterable[str], seed: int, reserved: int = 4) -> FittedSentencePiece:
        """Raises UserError too where the texts hold nothing, or not what ``vocabulary_size`` asks for."""
        if self.exact:
            return self._fit(texts, reserved, self.vocabulary_size)
        texts = list(texts)
        try:
            return self._fit(texts, reserved, self.vocabulary_size)
        except _TooFew as few:
            return self._fit(texts, reserved, few.most)

    def _fit(self, texts: Iterable[str], reserved: int, size: int) -> FittedSentencePiece:
        import sentencepiece

        model = BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=_sentences(texts),
                model_writer=model,
                model_type=self.kind,
                vocab_size=size,
                character_coverage=self.character_coverage,
                input_sentence_size=self.sentences,
                normalization_rule_name="identity",
                add_dummy_prefix=False,
                remove_extra_whitespaces=False,
                byte_fallback=True,
                pad_id=0,
                unk_id=1,
                bos_id=BOS if reserved > BOS else -1,
                eos_id=EOS if reserved > EOS else -1,
                bos_piece=RESERVED[BOS],
                eos_piece=RESERVED[EOS],
                num_threads=1,  # what it learns hangs on their number
                minloglevel=2,
            )
        except RuntimeError as error:
            raise self._told(str(error)) from None
        return FittedSentencePiece(self, model.getvalue())

    def restore(self, state: Mapping[str, Any]) -> FittedSentencePiece:
        return FittedSentencePiece(self, b64decode(state["model"]))

    def _told(self, error: str) -> UserError:
        asked = f"sentencepiece: vocabulary_size {self.vocabulary_size}"
        if found := re.search(r"value <= (\d+)", error):
            told = f"{asked} is more than the training texts have pieces for; take at most {found[1]}"
            return _TooFew(told, int(found[1]))
        if found := re.search(r"smaller than required_chars\. \d+ vs (\d+)", error):
            return UserError(
                f"{asked} has no room for all characters; take at least {found[1]}, or a lower character_coverage"
            )
        if "sentences_.empty()" in error or "all_chars_count" in error:
            return UserError(
                "sentencepiece: the training texts are all empty, so there is nothing to learn pieces from"
            )
        return UserError(f"sentencepiece: {' '.join(error.split())}")


class _TooFew(UserError):
    """The texts have pieces for ``most`` tokens only."""

    def __init__(self, told: str, most: int) -> None:
        super().__init__(told)
        self.most = most


class FittedSentencePiece(FittedTokenizer):
    """model: the library's own file."""

    def __init__(self, settings: SentencePiece, model: bytes) -> None:
        from sentencepiece import SentencePieceProcessor

        self.settings = settings
        self.draws = settings.draws if settings.by_chance else 1
        self.model = model
        self.processor = SentencePieceProcessor(model_proto=model)
        size = self.processor.get_piece_size()
        self.vocabulary = Vocabulary([self.processor.id_to_piece(i) for i in range(size)])

    def encoded(self, texts: Iterable[str], sampling_seed: int | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        dtype = smallest_type(0, len(self.vocabulary) - 1)
        for batch in batches(texts, CHARACTERS):
            rows = checked(lambda batch: self._pieces(batch, sampling_seed), batch)
            lengths = np.fromiter(map(len, rows), np.int64, len(rows))
            yield np.fromiter(chain.from_iterable(rows), dtype, int(lengths.sum())), lengths

    def _pieces(self, batch: Batch, sampling_seed: int | None) -> list[list[int]]:
        import sentencepiece

        texts = [_escape(text) for text in batch.texts]
        "".join(texts).encode()  # whose error says more than the library's
        if sampling_seed is None or not self.settings.alpha:
            return self.processor.encode(texts, num_threads=threads())
        # One thread, made for this call alone: each has a random state of its own, which begins at this seed.
        sentencepiece.set_random_generator_seed(derive_seed(sampling_seed, batch.first))
        return self.processor.encode(
            texts, enable_sampling=True, alpha=self.settings.alpha, nbest_size=self.settings.nbest, num_threads=1
        )

    def tokens(self, text: str) -> list[str]:
        return self.processor.encode(_escape(text), out_type=str)

    def decode(self, indices: Iterable[int]) -> str:
        """Bytes that are no UTF-8, as a network may write them, become U+FFFD."""
        reserved = self.vocabulary.reserved
        text = self.processor.decode([int(i) for i in indices if i >= reserved])
        return _ESCAPED.sub(lambda match: ESCAPE if match[1] == "0" else SPACE, text)

    def state(self) -> dict[str, Any]:
        return {"model": b64encode(self.model).decode()}


def _escape(text: str) -> str:
    return text.translate(_ESCAPES) if SPACE in text or ESCAPE in text else text


def _sentences(texts: Iterable[str]) -> Iterator[str]:
    """Lines of the texts, long ones in parts."""
    for batch in batches(texts, CHARACTERS):
        for line in checked(_lines, batch):
            for begin in range(0, len(line), SENTENCE):
                yield line[begin : begin + SENTENCE]


def _lines(batch: Batch) -> list[str]:
    return "\n".join(batch.texts).encode().decode().translate(_UNLEARNABLE).splitlines()
