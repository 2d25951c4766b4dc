"""A 5-gram Kneser-Ney model of Penn Treebank: counted and estimated beside NLTK, scoring beside KenLM's query module.

    python benchmarks/n_grams.py [--order 5] [--runs 5] [--sample 20]

Perplexity is counted as results on Penn Treebank are: ends of lines are foretold, ``<unk>`` is a word.

Podium's seconds to a model are those from rows of token indices to all probabilities, and with tokenizing told beside.
``KneserNeyInterpolated`` of NLTK (where it is installed) only counts when it is fitted, from the n-grams of each line,
which are made on the clock from tokens that are there, as is its vocabulary; it works a probability out when asked.
Told are its fit alone, and with the probabilities of all n-grams of the highest order, reckoned from ``--sample``.

KenLM (where it is installed) reads Podium's model from an ARPA file, and scores lines of text, which is all it takes:
``score`` gives their sums, ``full_scores`` a number a token, as Podium's ``score`` does. Podium's is told from rows of
token indices, as its stages have them, and from lines of text.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def seconds(call, runs: int):
    """The median, and what the last call gave."""
    took, given = [], None
    for _ in range(runs):
        begin = time.perf_counter()
        given = call()
        took.append(time.perf_counter() - begin)
    return statistics.median(took), given


def nltk_seconds(lines: list[str], order: int, sample: int) -> tuple[float, float]:
    """To fit, and for a probability of an n-gram that it has seen."""
    from nltk.lm import KneserNeyInterpolated, Vocabulary

    marked = [["<s>", *line.split(), "</s>"] for line in lines]
    grams = ([tuple(row[i : i + m]) for m in range(1, order + 1) for i in range(len(row) - m + 1)] for row in marked)
    model = KneserNeyInterpolated(order, vocabulary=Vocabulary(word for row in marked for word in row))
    begin = time.perf_counter()
    model.fit(grams)
    fit = time.perf_counter() - begin
    long = [row for row in marked if len(row) > order]
    asked = [long[i][1 : order + 1] for i in np.random.default_rng(0).integers(0, len(long), sample)]
    begin = time.perf_counter()
    for *context, word in asked:
        model.score(word, context)
    return fit, (time.perf_counter() - begin) / sample


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sample", type=int, default=20)
    options = parser.parse_args()
    from pipeline.text.n_grams import estimators
    from pipeline.text.n_grams.arpa import read_arpa, write_arpa
    from pipeline.text.n_grams.counts import count
    from pipeline.text.tokenizers import tokenizers

    train, test = (
        (options.data / "ptb" / f"ptb.{part}.txt").read_text(encoding="utf-8").splitlines()
        for part in ("train", "test")
    )
    white_space = tokenizers.build("white_space", "benchmark")
    white_space.fit(train[:9], seed=0)  # loads Arrow
    fitting, tokenizer = seconds(lambda: white_space.fit(train, seed=0), 1)
    encoding, rows = seconds(lambda: tokenizer.encode(train), 1)
    test_rows = tokenizer.encode(test)
    vocabulary = tokenizer.vocabulary

    print("| estimator | count, s | estimate, s | test perplexity |\n|---|---:|---:|---:|")
    counting, counts = seconds(lambda: count(rows, len(vocabulary), options.order), options.runs)
    for settings in ({"name": "add_k", "k": 0.001}, "absolute_discounting", "kneser_ney"):
        estimator = estimators.build(settings, "benchmark")
        estimating, model = seconds(lambda: estimator.fit(counts, vocabulary), options.runs)  # noqa: B023
        perplexity = math.exp(-model.score(test_rows).values.mean())
        print(f"| {estimator.name} | {counting:.2f} | {estimating:.2f} | {perplexity:.2f} |", flush=True)

    both = counting + estimating
    print(f"\n| a model of order {options.order} | s | / Podium's |\n|---|---:|---:|\n| Podium | {both:.2f} | 1 |")
    text = both + fitting + encoding
    print(f"| Podium, from text: tokens, vocabulary and rows too | {text:.2f} | {text / both:.1f} |", flush=True)
    if find_spec("nltk") is not None:
        fit, one = nltk_seconds(train, options.order, options.sample)
        every = fit + one * len(counts.counts[-1])
        print(f"| NLTK, its fit alone | {fit:.1f} | {fit / both:.1f} |")
        print(f"| NLTK, all its probabilities ({one:.2f} s each) | {every:.0f} | {every / both:.0f} |", flush=True)

    ways = {
        "Podium, from rows": lambda: model.score(test_rows),
        "Podium, from text": lambda: model.score(tokenizer.encode(test)),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.arpa"
        writing, _ = seconds(lambda: write_arpa(path, model), 1)
        reading, _ = seconds(lambda: read_arpa(path), 1)
        if find_spec("kenlm") is not None:
            import kenlm

            theirs = kenlm.Model(str(path))
            ways["KenLM, score"] = lambda: [theirs.score(line) for line in test]
            ways["KenLM, full_scores"] = lambda: [list(theirs.full_scores(line)) for line in test]
            expected = [score for line in test for score, _, _ in theirs.full_scores(line)]
            off = np.abs(model.score(test_rows).values / math.log(10) - expected).max()
            print(f"\nScores differ from KenLM's by {off:.1e} at most.")
    model.score(test_rows)  # its tables for looking up are made once
    taken = {way: [] for way in ways}
    for _ in range(5 * options.runs):
        for way, call in ways.items():
            taken[way].append(seconds(call, 1)[0])
    print("\n| way | ms | sentences/s |\n|---|---:|---:|")
    for way, some in taken.items():
        middle = statistics.median(some)
        print(f"| {way} | {middle * 1e3:.1f} | {len(test) / middle:,.0f} |")
    size = sum(map(len, model.probabilities))
    print(f"\nARPA, {size:,} n-grams: written in {writing:.1f} s, read in {reading:.1f} s. {os.cpu_count()} cores.")


if __name__ == "__main__":
    main()
