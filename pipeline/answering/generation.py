"""Final language models -> text that goes on from a prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.answering.final_models import FinalModel
from pipeline.core.cleaning import Cleaner
from pipeline.core.errors import UserError, quoted
from pipeline.decoding.base import OneByOne
from pipeline.decoding.steps import Mixture, Steps
from pipeline.features.next_tokens import NextTokensEncoder
from pipeline.text.cleaning.cleaning import built, clean_text
from pipeline.text.reserved import BOS, EOS, PAD, UNK
from pipeline.text.streaming import TextStream
from pipeline.text.tokenizers.base import FittedTokenizer
from pipeline.training.predictor import Predictor

SHOWN = 5
"""Unknown tokens that a warning names."""


@dataclass(frozen=True)
class Generator:
    """What goes on from a prefix, and how it reads it.

    models: by name, those whose probabilities are mixed. joined: rows follow each other, each a line.
    """

    models: Sequence[str]
    steps: Steps
    tokenizer: FittedTokenizer
    clean: Sequence[Cleaner]
    joined: bool

    def texts(
        self, prefix: str, search: OneByOne, length: int, samples: int, seed: int, warn: Callable[[str], object]
    ) -> Iterator[tuple[int, str]]:
        """Which sample, and what its text has more: each beginning with the prefix as it was given.

        length: tokens that are added at most. warn: is told of tokens of the prefix that the models do not know.
        Raises UserError where prefix and length are more than the models can read.
        """
        tokens = self.read(prefix, warn)
        longest = self.steps.longest
        if longest is not None and len(tokens) + length - 1 > longest:
            raise UserError(
                f"--length: model '{self.models[0]}' has learned {longest} positions, of which the prefix takes "
                f"{len(tokens)}, got {length}; at most {max(longest - len(tokens) + 1, 0)} tokens can follow"
            )
        found = search.tokens(self.steps, np.tile(tokens, (samples, 1)), length, seed, joined=self.joined)
        return self._told(prefix, tokens, samples, found, warn)

    def read(self, prefix: str, warn: Callable[[str], object]) -> np.ndarray:
        """The prefix cleaned as the rows were and cut into tokens, a begin mark before each row: int64 [tokens]."""
        rows = [clean_text(row, self.clean) for row in (prefix.split("\n") if self.joined else [prefix])]
        tokens = self.tokenizer.encode(rows, bos=True).values.astype(np.int64)
        if (tokens == UNK).any():
            known = self.tokenizer.vocabulary.index
            names = dict.fromkeys(word for row in rows for word in self.tokenizer.tokens(row) if word not in known)
            some = ", ".join(quoted(name) for name in list(names)[:SHOWN]) + (", …" if len(names) > SHOWN else "")
            warn(f"--prefix: {int((tokens == UNK).sum())} of its tokens stand for what training never saw: {some}")
        return tokens

    def _told(
        self,
        prefix: str,
        tokens: np.ndarray,
        samples: int,
        found: Iterator[np.ndarray],
        warn: Callable[[str], object],
    ) -> Iterator[tuple[int, str]]:
        lanes = [Lane(self.tokenizer, prefix, tokens, self.joined) for _ in range(samples)]
        if prefix:
            yield from ((number, prefix) for number in range(samples))
        silent = not self.joined
        for some in found:
            silent &= bool(np.isin(some, (PAD, EOS)).all())
            for number, (lane, token) in enumerate(zip(lanes, some.tolist(), strict=True)):
                if piece := lane.add(token):
                    yield number, piece
        yield from ((number, piece) for number, lane in enumerate(lanes) if (piece := lane.rest()))
        if silent:
            warn(
                "nothing follows: the model ends the text right there, as texts ended in training; begin with another "
                "--prefix, or let a higher --temperature, --top-k 0 or another --seed go on"
            )


class Lane:
    """A sample's text, behind a prefix that is told as it was given."""

    def __init__(self, tokenizer: FittedTokenizer, prefix: str, tokens: np.ndarray, joined: bool) -> None:
        self.tokenizer, self.joined = tokenizer, joined
        row = tokens[np.flatnonzero(tokens == BOS)[-1] :].tolist()  # the last one of the prefix
        self.stream = TextStream(tokenizer, row)
        # The prefix may end with a space that is no token of its own: the next token brings it along.
        self.spaced = prefix.endswith(" ") and not tokenizer.decode(row).endswith(" ")

    def add(self, token: int) -> str:
        if token == PAD:
            return ""
        if token != EOS:
            return self._spaced(self.stream.add(token))
        piece = self.rest()
        if self.joined:
            self.stream, piece = TextStream(self.tokenizer), piece + "\n"
        return piece

    def rest(self) -> str:
        return self._spaced(self.stream.rest())

    def _spaced(self, piece: str) -> str:
        if piece and self.spaced:
            piece, self.spaced = piece.removeprefix(" "), False
        return piece


def generator(
    models: Mapping[str, FinalModel], weights: Mapping[str, float], tell: Callable[[str], object]
) -> Generator:
    """The mixture of models that share their tokens with the one of the largest weight, where all of them do; else that
    one alone.

    models: final ones of the task ``language_model``. weights: theirs, above 0. tell: is told who is left out.
    Raises UserError where a model does not read the feature set ``next_tokens``.
    """
    best = max(models, key=lambda name: weights[name])  # of equals the first one
    first = _tokenizer(best, models[best].members[0])
    others = [name for name, model in models.items() if not _share(name, model, first)]
    if others:
        models = {best: models[best]}
        if best in others:  # members of folds have each a vocabulary of their own
            models = {best: FinalModel(models[best].members[:1])}
        tell(f"{best} goes on alone: not all models have its tokens ({', '.join(others)})")
    members = [
        (member, weights[name] / len(model.members)) for name, model in models.items() for member in model.members
    ]
    steps: list[Steps] = [member.fitted.steps() for member, _ in members]
    of_first = members[0][0]
    return Generator(
        models=list(models),
        steps=steps[0] if len(steps) == 1 else Mixture(steps, [weight for _, weight in members]),
        tokenizer=first,
        clean=built(of_first.schema.clean.get(of_first.encoder.reads[0], ())),
        joined=any(member.learner.joined for member, _ in members),
    )


def _tokenizer(name: str, member: Predictor) -> FittedTokenizer:
    encoder = member.encoder
    if not isinstance(encoder, NextTokensEncoder):
        raise UserError(
            f"model '{name}': text goes on from models of the feature set next_tokens, got {member.features.name}; "
            "choose another with --model"
        )
    return encoder.tokenizer


def _share(name: str, model: FinalModel, first: FittedTokenizer) -> bool:
    """Whether all its members have these tokens."""
    kinds = [_tokenizer(name, member) for member in model.members]
    return all(type(one) is type(first) and one.vocabulary.tokens == first.vocabulary.tokens for one in kinds)
