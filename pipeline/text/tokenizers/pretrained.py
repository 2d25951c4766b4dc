"""The tokens of a pretrained encoder and decoder."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.files import read_json, shown
from pipeline.core.ragged import smallest_type
from pipeline.core.registry import settings
from pipeline.text.batches import batches
from pipeline.text.pretrained import CONFIG, TOKENIZER, find_encoder, of_utf8, pieces_of, tokenizer_of
from pipeline.text.reserved import EOS, PAD, RESERVED, UNK
from pipeline.text.tokenizers import tokenizers
from pipeline.text.tokenizers.base import FittedTokenizer, Tokenizer
from pipeline.text.tokenizers.bytes import NAMES
from pipeline.text.vocabulary import Vocabulary

WORDS, SETTINGS = "vocab.json", "tokenizer_config.json"
FIRST_BYTE = 3
"""ByT5's own index of the byte 0, behind padding, end and unknown (Xue et al. 2022)."""


@tokenizers.register("pretrained")
@settings
class Pretrained(Tokenizer):
    """What a pretrained translator such as T5, mT5, ByT5, BART or Marian reads and writes, for the model
    ``pretrained_translator`` (extra ``pretrained``). It learns nothing.

    model: a folder that transformers saved, relative to the project or absolute; a name on the hub; or
        ``package:NAME``, an installed package that carries one.
    side: of Marian's, whose sides are cut apart: of which this is.
    """

    lossless: ClassVar[bool] = False
    model: str
    side: Literal["source", "target"] = "source"

    @property
    def code_files(self) -> tuple[Path, ...]:
        """The model's files: what is fitted hangs on what stands in them."""
        from pipeline.text.pretrained import files_of

        folder = find_encoder(self.model, decoder=True)
        own = [folder / name for name in (TOKENIZER, f"{self.side}.spm", WORDS, SETTINGS)]
        return (*files_of(folder, decoder=True), *(file for file in own if file.is_file()))

    def fit(self, texts: Iterable[str], seed: int, reserved: int = 4) -> FittedPretrained:
        """Raises UserError where there is no model of that name that may be read."""
        folder = find_encoder(self.model, decoder=True)
        state: dict[str, Any] = {"config": read_json(folder / CONFIG)}
        if (folder / TOKENIZER).is_file():
            state["tokenizer"] = (folder / TOKENIZER).read_text(encoding="utf-8")
        elif (folder / f"{self.side}.spm").is_file() and (folder / WORDS).is_file():
            state["pieces"] = b64encode((folder / f"{self.side}.spm").read_bytes()).decode()
            state["words"] = read_json(folder / WORDS)
        elif (folder / SETTINGS).is_file() and read_json(folder / SETTINGS).get("tokenizer_class") == "ByT5Tokenizer":
            state["words"] = {name: FIRST_BYTE + byte for byte, name in enumerate(NAMES)}
        else:
            raise UserError(
                f"{shown(folder)}: has neither {TOKENIZER} nor {self.side}.spm and {WORDS}; write one with "
                "transformers: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
            )
        return FittedPretrained(self, state)

    def restore(self, state: Mapping[str, Any]) -> FittedPretrained:
        return FittedPretrained(self, state)


class FittedPretrained(FittedTokenizer):
    """Indices begin with padding, unknown, begin and end, as they do everywhere here; ``order`` says which of the
    model's own each is."""

    def __init__(self, settings: Pretrained, state: Mapping[str, Any]) -> None:
        self.settings, self._state = settings, dict(state)
        config = state["config"]
        self._json = tokenizer_of(state["tokenizer"], settings.model) if "tokenizer" in state else None
        self._pieces: Any = pieces_of(b64decode(state["pieces"])) if "pieces" in state else None  # else bytes
        words: dict[str, int] = state["words"] if self._json is None else self._json.get_vocab()
        own = {index: word for word, index in words.items()}
        pad, end = int(config.get("pad_token_id") or 0), int(config.get("eos_token_id") or 0)
        unknown = words.get("<unk>", words.get("[UNK]", pad))
        start = config.get("decoder_start_token_id")
        first = [pad, unknown, pad if start is None else int(start), end]
        rest = [index for index in range(int(config["vocab_size"])) if index not in (pad, unknown, end)]
        self.order = [*first, *rest]
        self._words = words
        self._places = np.full(int(config["vocab_size"]), UNK, np.int64)
        self._places[rest] = np.arange(len(first), len(self.order))
        self._places[[pad, end]] = PAD, EOS
        # What a model has room for beyond its tokenizer's words, or calls as a reserved one, stands as its number.
        names = [word if (word := own.get(index, "")) and word not in RESERVED else f"<{index}>" for index in rest]
        self.vocabulary = Vocabulary([*RESERVED, *names])
        self.pretrained = {"encoder": settings.model, "config": config, "order": self.order}

    def encoded(self, texts: Iterable[str], sampling_seed: int | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        dtype = smallest_type(0, len(self.vocabulary) - 1)
        for batch in batches(texts):
            rows = [self._places[own].tolist() for own in self._own(of_utf8(batch.texts))]
            rows = [row[:-1] if row[-1:] == [EOS] else row for row in rows]  # the mark is whoever asks for it's
            lengths = np.fromiter(map(len, rows), np.int64, len(rows))
            yield np.fromiter(chain.from_iterable(rows), dtype, int(lengths.sum())), lengths

    def _own(self, texts: list[str]) -> list[list[int]]:
        """The model's own indices, with what its tokenizer puts around a text."""
        if self._json is not None:
            return [one.ids for one in self._json.encode_batch(texts)]
        if self._pieces is None:
            return [[FIRST_BYTE + byte for byte in text.encode()] for text in texts]
        unknown = self.order[UNK]
        cut = self._pieces.encode(texts, out_type=str)
        return [[self._words.get(piece, unknown) for piece in pieces] for pieces in cut]

    def tokens(self, text: str) -> list[str]:
        return self.vocabulary.decode(self.encode([text]).row(0).tolist())

    def decode(self, indices: Iterable[int]) -> str:
        own = [self.order[int(index)] for index in indices if index >= len(RESERVED)]
        if self._json is not None:
            return str(self._json.decode(own, skip_special_tokens=True))
        if self._pieces is None:
            found = [index - FIRST_BYTE for index in own if FIRST_BYTE <= index < FIRST_BYTE + len(NAMES)]
            return bytes(found).decode(errors="replace")
        pieces = [self.vocabulary.tokens[self._places[index]] for index in own]
        return "".join(pieces).replace("\u2581", " ").strip()

    def state(self) -> dict[str, Any]:
        return self._state
