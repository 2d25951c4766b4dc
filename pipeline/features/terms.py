"""Texts as weighted terms: TF-IDF of words, of characters and of words' shapes, as scikit-learn's TfidfVectorizer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from pipeline.core.registry import settings
from pipeline.features.packed import pack, unpack
from pipeline.text.joins import at_letters

if TYPE_CHECKING:
    import scipy.sparse

Range = tuple[int, int]
BEGIN, END = "␂", "␃"
"""What stands for a text's begin and end among its words."""
ANALYZERS: dict[str, dict[str, Any]] = {
    "words": {"analyzer": "word"},
    "words and marks": {"analyzer": "word"},
    "characters": {"analyzer": "char_wb"},
    "shapes": {"analyzer": "word", "token_pattern": r"\S+", "lowercase": False},
}
"""Scikit-learn's settings by the kind of a bag."""


def patterns(texts: Sequence[str]) -> dict[str, str]:
    """What is a word, by the kind of a bag: scikit-learn's pattern, but that what stands at letters (Hindi's vowels) is
    of their word, where it cuts there. Only texts that have such marks are looked through by the slower one."""
    letter = r"\w"
    if any(_at_letters().search(text) for text in texts if not text.isascii()):
        letter = rf"(?:\w|[{at_letters()}])"
    return {"words": rf"{letter}{{2,}}|[{BEGIN}{END}]", "words and marks": rf"{letter}+|[^\w\s]"}


@cache
def _at_letters() -> re.Pattern[str]:
    return re.compile(f"[{at_letters()}]")


@settings
class Terms:
    """Which terms of a text count.

    words: runs of this many words, from and to (words of two characters and more, in lower case).
    marks: words of one character and punctuation marks are words too.
    ends: a text's begin and end are words too, so that a run of words tells how it begins.
    characters: runs of this many characters inside words; they hold up to misspelling, and suit
        languages written without spaces. Words and characters together are two bags side by side.
    shapes: runs of this many shapes of words, a bag more: ``Xx`` with a capital, ``XX`` in capitals, ``x``, ``9`` a
        number, ``x9`` letters and digits, each mark its own.
    minimum_count: terms in fewer texts are left out.
    vocabulary_size: at most so many terms, those in most texts; of words, of characters and of shapes each.
    buckets: terms are not told apart but hashed into so many buckets (Weinberger et al. 2009), which then count as
        terms: memory is bounded however many different terms there are, and no term has a name.
    sublinear: 1 + log(count) instead of the count of a term in a text.
    """

    words: Range | None = (1, 2)
    marks: bool = False
    ends: bool = False
    characters: Range | None = None
    shapes: Range | None = None
    minimum_count: int = Field(default=2, ge=1)
    vocabulary_size: int = Field(default=20_000, ge=1)
    buckets: int | None = Field(default=None, ge=2, le=1 << 24)
    sublinear: bool = True

    def __post_init__(self) -> None:
        if self.words is None and self.characters is None:
            raise ValueError("needs words or characters")
        for runs in (self.words, self.characters, self.shapes):
            if runs is not None and not 1 <= runs[0] <= runs[1]:
                raise ValueError("words, characters and shapes need two lengths from 1 up, such as [1, 2]")

    def fit_terms(self, texts: Sequence[str]) -> tuple[WeightedTerms, scipy.sparse.csr_matrix]:
        """The terms, and the weights of the texts they were fitted on."""
        from scipy.sparse import csr_matrix, hstack

        states, blocks = [], [csr_matrix((len(texts), 0))]
        words = "words and marks" if self.marks else "words"
        for kind, runs in ((words, self.words), ("characters", self.characters), ("shapes", self.shapes)):
            if runs is not None:
                state, counts = self._fit_bag(texts, kind, runs)
                states.append(state)
                blocks.append(_weigh(counts, state))
        return WeightedTerms(states), hstack(blocks, format="csr")

    def _fit_bag(self, texts: Sequence[str], kind: str, runs: Range) -> tuple[dict[str, Any], scipy.sparse.csr_matrix]:
        """The state of one bag, and how often its terms stand in each text."""
        ends = self.ends and kind != "characters"
        terms, counts = _count(texts, kind, runs, self.buckets, ends)
        found = np.bincount(counts.indices, minlength=counts.shape[1])  # texts with each term
        kept = np.flatnonzero(found >= self.minimum_count)
        most = np.sort(kept[np.argsort(-found[kept], kind="stable")[: self.vocabulary_size]])
        state = {
            "kind": kind,
            "runs": list(runs),
            "buckets": self.buckets,
            "ends": ends,
            "sublinear": self.sublinear,
            "terms": [terms[j] for j in most],
            "idf": pack(np.log((1 + len(texts)) / (1 + found[most])) + 1),
        }
        return state, counts[:, most]


class WeightedTerms:
    """The fitted terms of one text column. ``state``: bags of words, of characters, of shapes, one at least."""

    def __init__(self, state: Sequence[Mapping[str, Any]]) -> None:
        self.state = list(state)

    @property
    def terms(self) -> list[str]:
        return [term for one in self.state for term in one["terms"]]

    def weights(self, texts: Sequence[str]) -> scipy.sparse.csr_matrix:
        """float64 [texts, terms]; the weights of a text's words have norm 1, and so its characters'."""
        from scipy.sparse import csr_matrix, hstack

        blocks = [csr_matrix((len(texts), 0))]
        for one in self.state:
            _, counts = _count(texts, one["kind"], one["runs"], one["buckets"], one["ends"], one["terms"])
            blocks.append(_weigh(counts, one))
        return hstack(blocks, format="csr")


def _weigh(counts: scipy.sparse.csr_matrix, state: Mapping[str, Any]) -> scipy.sparse.csr_matrix:
    """Counts [texts, terms] to TF-IDF, each text's of norm 1."""
    from sklearn.feature_extraction.text import TfidfTransformer

    if 0 in counts.shape:
        return counts
    weigher = TfidfTransformer(sublinear_tf=state["sublinear"])
    weigher.idf_ = unpack(state["idf"])
    return weigher.transform(counts)


def _count(
    texts: Sequence[str],
    kind: str,
    runs: Sequence[int],
    buckets: int | None,
    ends: bool,
    terms: Sequence[str] | None = None,
) -> tuple[Sequence[str], scipy.sparse.csr_matrix]:
    """Terms in alphabetical order (or those given), and how often each stands in each text: [texts, terms]."""
    if kind == "shapes":
        word = re.compile(patterns(texts)["words and marks"])
        texts = [" ".join(map(shape, word.findall(text))) for text in texts]
    if ends:
        texts = [f"{BEGIN} {text} {END}" for text in texts]
    if kind != "characters":
        return _vectorize(texts, kind, runs, buckets, terms)
    # Runs of characters stay within words, so each distinct word is taken apart only once.
    index: dict[str, int] = {}
    words = [[index.setdefault(word, len(index)) for word in text.lower().split()] for text in texts]
    found, counts = _vectorize(list(index), kind, runs, buckets, terms)  # [distinct words, terms]

    from scipy.sparse import csr_matrix

    starts = np.cumsum([0, *map(len, words)])  # [texts + 1]
    which = np.array([word for text in words for word in text], dtype=np.int64)
    in_texts = csr_matrix((np.ones(len(which), np.int64), which, starts), shape=(len(texts), len(index)))
    product = in_texts @ counts  # [texts, distinct words] @ [distinct words, terms] -> [texts, terms]
    product.sort_indices()
    return found, product


def _vectorize(
    texts: Sequence[str], kind: str, runs: Sequence[int], buckets: int | None, terms: Sequence[str] | None
) -> tuple[Sequence[str], scipy.sparse.csr_matrix]:
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

    none: tuple[list[str], Any] = [], csr_matrix((len(texts), len(terms or ())), dtype=np.int64)
    if (terms is not None and not terms) or not texts:
        return none
    how: dict[str, Any] = {**ANALYZERS[kind], "ngram_range": tuple(runs)}
    if kind.startswith("words"):
        how["token_pattern"] = patterns(texts)[kind]
    if buckets is not None:
        hasher = HashingVectorizer(n_features=buckets, alternate_sign=False, norm=None, dtype=np.int64, **how)
        counts = hasher.transform(texts)  # [texts, buckets]
        used = np.unique(counts.indices) if terms is None else np.array([int(term.split("#")[1]) for term in terms])
        return [f"{kind} #{i}" for i in used], counts[:, used]
    if terms is not None:
        return terms, CountVectorizer(vocabulary={term: i for i, term in enumerate(terms)}, **how).transform(texts)
    counter = CountVectorizer(**how)
    try:
        counts = counter.fit_transform(texts)
    except ValueError:  # scikit-learn refuses texts without a single term
        return none
    return counter.get_feature_names_out().tolist(), counts


@lru_cache(maxsize=1 << 16)
def shape(word: str) -> str:
    """How a word, or a mark, looks, whatever it says.

    >>> [shape(word) for word in ("Iowa", "USA", "I", "iPod", "1986", "3rd", "?")]
    ['Xx', 'XX', 'Xx', 'x', '9', 'x9', '?']
    """
    if not (word[0].isalnum() or word[0] == "_"):
        return word
    if any(letter.isdigit() for letter in word):
        return "9" if word.isdigit() else "x9"
    if word[0].isupper():
        return "XX" if len(word) > 1 and word.isupper() else "Xx"
    return "x"
