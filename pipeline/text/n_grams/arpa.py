r"""n-gram models as ARPA files, the text format of SRILM, KenLM and others.

Logarithms are of base 10 there, zero is -99, and begin, end and unknown are ``<s>``, ``</s>`` and ``<unk>``. Words
stand between spaces: where a token of Podium's own holds one (of characters, say), or is called as a mark, tokens are
escaped (``\u0020``), and the file's first line says so. A file without ``<unk>`` gives unknown words probability 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np

from pipeline.core.errors import UserError, quoted
from pipeline.core.files import shown, whole_file
from pipeline.text.n_grams.model import NGramModel
from pipeline.text.reserved import BOS, EOS, PAD, RESERVED, UNK
from pipeline.text.vocabulary import Vocabulary

MARKS = {b"<s>": BOS, b"</s>": EOS, b"<unk>": UNK, b"<UNK>": UNK}
ESCAPED = rb"# tokens are escaped: \u0020 is a space, \u005c a backslash"
ZERO = -99.0
_SEPARATES = re.compile(r"[\x00-\x20]")
_WRITTEN = re.compile(r"[\x00-\x20\\<]")
_READ = re.compile(r"\\u([0-9a-f]{4})")
_NUMBER = re.compile(rb"ngram (\d{1,3})\s*=\s*(\d{1,15})")


def write_arpa(path: str | Path, model: NGramModel) -> None:
    """Write a model; the file appears whole or not at all.

    Raises UserError where a token is empty, which the format cannot hold.
    """
    names = model.vocabulary.tokens
    if "" in names:
        raise UserError("an ARPA file holds no empty token; leave it out of the vocabulary")
    escaped = any(_SEPARATES.search(name) or name.encode() in MARKS for name in names[model.vocabulary.reserved :])
    words = [_WRITTEN.sub(lambda found: f"\\u{ord(found[0]):04x}", name) if escaped else name for name in names]
    words[UNK], words[BOS], words[EOS] = "<unk>", "<s>", "</s>"
    kept = np.flatnonzero(np.arange(len(names)) != PAD)
    with whole_file(path) as aside, aside.open("w", encoding="utf-8", newline="\n") as stream:
        if escaped:
            stream.write(f"{ESCAPED.decode()}\n")
        sizes = [len(kept), *map(len, model.keys)]
        stream.write("\\data\\\n")
        stream.writelines(f"ngram {order}={size}\n" for order, size in enumerate(sizes, 1))
        for order in range(1, model.order + 1):
            stream.write(f"\n\\{order}-grams:\n")
            stream.writelines(_lines(model, order, words, kept if order == 1 else slice(None)))
        stream.write("\n\\end\\\n")


def _lines(model: NGramModel, order: int, words: list[str], kept: np.ndarray | slice) -> Iterator[str]:
    probabilities = _base_10(model.probabilities[order - 1][kept])
    if order == model.order:
        ends = ["\n"] * len(probabilities)
    else:
        ends = [f"\t{weight:.8g}\n" for weight in _base_10(model.weights[order - 1][kept]).tolist()]
    for probability, tokens, end in zip(probabilities.tolist(), model.tokens(order)[kept].tolist(), ends):
        yield f"{probability:.8g}\t{' '.join([words[i] for i in tokens])}{end}"


def _base_10(natural: np.ndarray) -> np.ndarray:
    # Rounding may lift a probability above 1, and a negative zero reads badly.
    return np.maximum(natural / math.log(10), ZERO) + 0.0


def read_arpa(path: str | Path) -> NGramModel:
    """A model of a file, with a vocabulary of its words in their order there.

    Raises UserError, with the number of the line, where the file is cut short, has other n-grams than its head counts,
    a number that is none, a logarithm above 0 as a probability, a word that is no unigram, an n-gram twice, or one
    whose context it has not.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            return _Reader(path, stream).model()
    except OSError as error:
        raise UserError(f"{shown(path)}: cannot be read ({error.strerror})") from None


class _Reader:
    """Reads a file once, line by line. number: of the line at hand."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path = path
        self.lines = iter(stream)
        self.number = 0
        self.escaped = False

    def fail(self, fault: str, number: int | None = None) -> NoReturn:
        """number: the line at fault where it is not the one at hand."""
        raise UserError(f"{shown(self.path)}, line {self.number if number is None else number}: {fault}")

    def line(self, awaited: str) -> bytes:
        """The next line that is not blank."""
        for line in self.lines:
            self.number += 1
            if line.strip():
                return line.strip()
        self.fail(f"the file ends where {awaited} should stand; it was cut short, make or copy it again")

    def model(self) -> NGramModel:
        sizes, section = self.head()
        names: list[bytes] = []
        keys: list[np.ndarray] = []
        probabilities: list[np.ndarray] = []
        weights: list[np.ndarray] = []
        index: dict[bytes, int] = {}
        for order, size in enumerate(sizes, 1):
            if section != f"\\{order}-grams:".encode():
                self.fail(f"needs \\{order}-grams: here, got {quoted(_text(section))}")
            first = self.number + 1
            words, some, some_weights = self.section(order, size, last=order == len(sizes))
            if order == 1:
                names, places = self.vocabulary(words, first)
                index = dict(zip(words, places.tolist()))
                size = len(names)
            else:
                key, by = self.keys(words, index, order, keys, len(names), first)
                keys.append(key)
                some, some_weights, places, size = some[by], some_weights[by], np.arange(len(by)), len(by)
            for table, values, absent in ((probabilities, some, -np.inf), (weights, some_weights, 0.0)):
                table.append(np.full(size, absent))
                table[-1][places] = values
            awaited = f"\\{order + 1}-grams:" if order < len(sizes) else "\\end\\"
            section = self.line(awaited)
            if order < len(sizes) and section[:1] != b"\\":
                self.fail(f"the head counts {len(some)} {order}-grams, and here stands one more")
        if section != b"\\end\\":
            self.fail(
                f"needs \\end\\ after the {sizes[-1]} {len(sizes)}-grams of the head, got {quoted(_text(section))}"
            )
        tokens = [*RESERVED, *map(self.token, names[len(RESERVED) :])]
        return NGramModel(Vocabulary(tokens), keys, probabilities, weights[:-1])

    def head(self) -> tuple[list[int], bytes]:
        """How many n-grams of each order there are, and the line that opens the first section."""
        while (line := self.line("\\data\\")) != b"\\data\\":
            self.escaped |= line == ESCAPED
        sizes: list[int] = []
        while found := _NUMBER.fullmatch(line := self.line("the numbers of n-grams")):
            if int(found[1]) != len(sizes) + 1:
                self.fail(f"needs ngram {len(sizes) + 1}=, got {quoted(_text(line))}")
            sizes.append(int(found[2]))
        if not sizes:
            self.fail(f"needs ngram 1= and a number, got {quoted(_text(line))}")
        return sizes, line

    def section(self, order: int, size: int, last: bool) -> tuple[list[bytes], np.ndarray, np.ndarray]:
        """The words of ``size`` n-grams one after the other, natural logarithms of probabilities and weights."""
        words: list[bytes] = []
        numbers: list[tuple[bytes, bytes]] = []
        first = self.number + 1
        for line in islice(self.lines, size):
            self.number += 1
            fields = line.split()
            if len(fields) == order + 1:
                numbers.append((fields[0], b"0"))
            elif len(fields) == order + 2 and not last:
                numbers.append((fields[0], fields[-1]))
            elif not fields or fields[0][:1] == b"\\":
                self.fail(f"the head counts {size} {order}-grams, and {len(numbers)} stand here")
            else:
                form = f"a logarithm, {order} words" + ("" if last else " and perhaps a weight")
                self.fail(f"needs {form}, got {quoted(_text(line.strip()))}")
            words += fields[1 : order + 1]
        if len(numbers) < size:
            self.fail(f"the file ends after {len(numbers)} of {size} {order}-grams; it was cut short, copy it again")
        try:
            read = np.array(numbers, "S").reshape(-1, 2).astype(np.float64)
        except ValueError:
            read = np.array([[self.float(one, first + i) for one in pair] for i, pair in enumerate(numbers)])
        wrong = np.isnan(read).any(1) | (read[:, 0] > 0) | (read[:, 1] == np.inf)
        if wrong.any():
            i = int(wrong.argmax())
            got = " and ".join(_text(one) for one in numbers[i])
            self.fail(f"needs a logarithm of at most 0 and a finite weight, got {got}", first + i)
        natural = np.where(read <= ZERO, -np.inf, read * math.log(10))
        return words, natural[:, 0], natural[:, 1]

    def float(self, text: bytes, number: int) -> float:
        try:
            return float(text)
        except ValueError:
            self.fail(f"needs a number, got {quoted(_text(text))}", number)

    def vocabulary(self, words: list[bytes], first: int) -> tuple[list[bytes], np.ndarray]:
        """All tokens, the reserved ones first, and the places of the words among them."""
        names = [mark.encode() for mark in RESERVED]
        places = np.empty(len(words), np.int64)
        seen: set[int | bytes] = set()
        for i, word in enumerate(words):
            mark = MARKS.get(word, word)
            if mark in seen:
                self.fail(f"{quoted(_text(word))} stands there twice", first + i)
            seen.add(mark)
            if isinstance(mark, int):
                places[i] = mark
            else:
                places[i] = len(names)
                names.append(word)
        return names, places

    def keys(
        self, words: list[bytes], index: dict[bytes, int], order: int, below: list[np.ndarray], size: int, first: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Keys of n-grams, ascending, and the place of each in the file."""
        tokens = np.fromiter((index.get(word, -1) for word in words), np.int64, len(words)).reshape(-1, order)
        if (tokens < 0).any():
            i = int((tokens < 0).any(1).argmax())
            word = words[i * order + int((tokens[i] < 0).argmax())]
            self.fail(f"{quoted(_text(word))} is none of the 1-grams", first + i)
        places = tokens[:, 0]
        for m, keys in enumerate(below, 1):  # orders 2 to that of the context
            wanted = places * size + tokens[:, m]
            places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            lacking = keys[places] != wanted if len(keys) else np.ones(len(wanted), bool)
            if lacking.any():
                i = int(lacking.argmax())
                context = b" ".join(words[i * order : i * order + m + 1])
                self.fail(f"the context {quoted(_text(context))} is none of the {m + 1}-grams", first + i)
        wanted = places * size + tokens[:, -1]
        by = np.argsort(wanted, kind="stable")
        found = wanted[by]
        if (twice := np.flatnonzero(np.diff(found) == 0)).size:
            i = int(by[twice[0] + 1])
            self.fail(f"{quoted(_text(b' '.join(words[i * order : (i + 1) * order])))} stands there twice", first + i)
        return found, by

    def token(self, word: bytes) -> str:
        try:
            text = word.decode()
        except UnicodeDecodeError:
            raise UserError(f"{shown(self.path)}: its words are no UTF-8, as {quoted(_text(word))}") from None
        return _READ.sub(lambda found: chr(int(found[1], 16)), text) if self.escaped else text


def _text(line: bytes) -> str:
    return line.decode(errors="replace")
