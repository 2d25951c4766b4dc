"""A vocabulary: tokens to indices, most frequent first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.errors import UserError, quoted
from pipeline.core.files import write_text
from pipeline.core.ragged import Ragged
from pipeline.text.reserved import BOS, EOS, PAD, RESERVED, UNK

_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_UNESCAPES = {escape[1]: character for character, escape in _ESCAPES.items()}
_UNREADABLE = re.compile(r"[\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_ESCAPED = re.compile(r"\\(u[0-9a-f]{4}|.)", re.DOTALL)


class Vocabulary:
    """Tokens by index; the reserved ones stand first (D2L 9.2).

    tokens: index -> token. counts: int64 [tokens], how often each was seen where it was built, at ``UNK`` all that were
    left out; zeros where that is unknown.

    A token of a text that is called as a reserved one is unknown, so that no text can pass for padding or an end.
    """

    def __init__(self, tokens: Sequence[str], counts: Sequence[int] | np.ndarray | None = None) -> None:
        self.tokens = list(tokens)
        self.counts = np.zeros(len(self.tokens), np.int64) if counts is None else np.asarray(counts, np.int64)
        if len(self.counts) != len(self.tokens):
            raise ValueError(f"{len(self.counts)} counts for {len(self.tokens)} tokens")
        run = (token == name for token, name in zip(self.tokens, RESERVED))
        self.reserved = next((i for i, same in enumerate(run) if not same), min(len(self.tokens), len(RESERVED)))

    @classmethod
    def build(
        cls, texts: Iterable[Iterable[str]], reserved: int, minimum_count: int = 1, size: int | None = None
    ) -> Vocabulary:
        """From tokens of texts; see ``from_counts``."""
        return cls.from_counts(Counter(token for tokens in texts for token in tokens), reserved, minimum_count, size)

    @classmethod
    def from_counts(
        cls, counts: Mapping[str, int], reserved: int, minimum_count: int = 1, size: int | None = None
    ) -> Vocabulary:
        """Equally frequent tokens stand in their alphabetical order, so that the order of the rows does not matter.

        reserved: how many of ``RESERVED`` it needs (2: pad and unknown; 4: begin and end too).
        size: at most so many tokens besides the reserved ones; None: no cap.
        """
        frequent = (token for token in counts if counts[token] >= minimum_count and token not in RESERVED)
        kept = sorted(frequent, key=lambda token: (-counts[token], token))[:size]
        seen = np.array([0] * reserved + [counts[token] for token in kept], np.int64)
        seen[UNK] = sum(counts.values()) - seen.sum()
        return cls([*RESERVED[:reserved], *kept], seen)

    def __len__(self) -> int:
        return len(self.tokens)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.state() == other.state()

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def index(self) -> dict[str, int]:
        """token -> index, of all but the reserved ones."""
        return {token: i for i, token in enumerate(self.tokens) if i >= self.reserved}

    def encode(self, tokens: Iterable[str]) -> list[int]:
        return [self.index.get(token, UNK) for token in tokens]

    def decode(self, indices: Iterable[int]) -> list[str]:
        """The tokens at indices without padding, begin and end; what was unknown is ``<unk>``."""
        marks = {PAD, BOS, EOS} & set(range(self.reserved))
        return [self.tokens[i] for i in indices if i not in marks]

    def unknown_share(self, encoded: Ragged) -> float:
        """Share of unknown ones among the tokens of encoded texts, between 0 and 1; padding, begin and end do not
        count. 0 where there is no token."""
        values = encoded.compact().values
        seen = np.bincount(values[values < self.reserved], minlength=self.reserved)
        tokens = len(values) - int(seen.sum()) + int(seen[UNK])
        return int(seen[UNK]) / tokens if tokens else 0.0

    def state(self) -> dict[str, Any]:
        """JSON values, a token and its count in each: ``the 12``; ``from_state`` turns them back."""
        return {"tokens": [f"{token} {count}" for token, count in zip(self.tokens, self.counts.tolist())]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Vocabulary:
        pairs = [entry.rpartition(" ") for entry in state["tokens"]]
        return cls([token for token, _, _ in pairs], [int(count) for _, _, count in pairs])

    def save(self, path: Path) -> None:
        r"""A line a token, its count after a tab; ``\n``, ``\t``, ``\r``, ``\\`` and their like stand for what no
        reader would see."""
        lines = (f"{_escape(token)}\t{count}\n" for token, count in zip(self.tokens, self.counts.tolist()))
        write_text(path, "".join(lines))

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Raises UserError at a line that ``save`` does not write."""
        lines = path.read_bytes().decode("utf-8").split("\n")
        tokens, counts = [], []
        for number, line in enumerate(lines[:-1] if lines[-1] == "" else lines, start=1):
            token, _, count = line.partition("\t")
            if not count.isdecimal():
                raise UserError(
                    f"{path.name}, line {number}: a vocabulary has a token, a tab and its count in each line, "
                    f"got {quoted(line)}"
                )
            tokens.append(_ESCAPED.sub(_unescape, token))
            counts.append(int(count))
        return cls(tokens, counts)


def _escape(token: str) -> str:
    return _UNREADABLE.sub(lambda match: _ESCAPES.get(match[0], f"\\u{ord(match[0]):04x}"), token)


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else _UNESCAPES.get(code, match[0])
