"""Texts to indices: cleaning, tokens, vocabulary and encoding of 100 MB, beside the book's way, ``tokenizers`` and
sentencepiece.

    python benchmarks/text_preprocess.py [--megabytes 100] [--runs 3] [--threads 2] [--levels words ...] [--uncleaned]

The texts: lines of Penn Treebank and of the English-French pairs in ``../shared/data``, shuffled with a seed and
repeated. All steps are on the clock, imports are not: cleaning, learning the vocabulary, and encoding every text to
indices. Cleaned are ``words`` and ``white_space``, as D2L 10.5 has it (odd spaces to plain ones, small letters, a space
before punctuation): by ``preprocess_nmt`` written out, by Podium's ``[spaces, case, spaced_punctuation]`` with their
counts and examples, and by the normalizers of ``tokenizers``, which do it again in both of its steps.
Every run is a process of its own, in alternating order; memory is the peak of the resident set over what it was when
the texts were there, ``encoded`` what the indices and the rows' begins and ends take.

``book`` is D2L 9.2: a list of tokens a text, ``collections.Counter`` over them, a lookup in a dict for each; at
``words`` it cuts with one compiled regular expression. ``tokenizers`` (Hugging Face's, where it is installed:
``pip install --no-deps tokenizers``) is a WordLevel model, trained and asked in batches. ``bare`` is sentencepiece's
own ``encode`` of all texts, with the same model as Podium's part; it is learned from a tenth of the texts, not on the
clock. How many tokens each way finds is told below a level: ``tokenizers`` takes marks beside each other for one.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
LEVELS = {
    "white_space": ("podium", "book", "tokenizers"),
    "words": ("podium", "book", "tokenizers"),
    "sentencepiece": ("podium", "bare"),
}


def make_texts(data: Path, megabytes: float) -> list[str]:
    lines = (data / "ptb" / "ptb.train.txt").read_text(encoding="utf-8").splitlines()
    with (data / "fra_eng" / "train.csv").open(encoding="utf-8", newline="") as stream:
        lines += [text for row in csv.DictReader(stream) for text in (row["en"], row["fr"])]
    sizes = {line: len(line.encode()) for line in lines}
    order, texts, left = random.Random(0), [], megabytes * 1e6
    while left > 0:
        order.shuffle(lines)
        for line in lines:
            # A string of its own each time, as a file's reader makes it.
            texts.append((line + " ")[:-1])
            left -= sizes[line]
            if left <= 0:
                break
    return texts


STEPS = ("spaces", "case", "spaced_punctuation")


def by_podium(level: str, texts: list[str], clean: bool):
    import pandas as pd

    from pipeline.text.cleaning import cleaners
    from pipeline.text.cleaning.cleaning import clean_column
    from pipeline.text.tokenizers import tokenizers

    steps = [cleaners.build(step, "benchmark") for step in STEPS]
    fitted = sentencepiece_model(texts) if level == "sentencepiece" else None
    column = pd.Series(texts, dtype="str", name="text") if clean else None  # as ``preprocess`` has it
    yield
    if column is not None:
        texts = clean_column(column, steps).tolist()
    yield
    if fitted is None:
        fitted = tokenizers.build(level, "benchmark").fit(texts, seed=0, reserved=2)
    yield
    encoded = fitted.encode(texts)
    yield len(encoded.values), encoded.nbytes


def sentencepiece_model(texts: list[str]):
    from pipeline.text.tokenizers import tokenizers

    return tokenizers.build("sentencepiece", "benchmark").fit(texts[: len(texts) // 10], seed=0)


def by_book(level: str, texts: list[str], clean: bool):
    import collections

    def no_space(char: str, before: str) -> bool:
        return char in ",.!?" and before != " "

    yield
    if clean:
        cleaned = []
        for text in texts:
            text = text.replace("\u202f", " ").replace("\xa0", " ").lower()
            out = [" " + char if i > 0 and no_space(char, text[i - 1]) else char for i, char in enumerate(text)]
            cleaned.append("".join(out))
        texts = cleaned
    yield
    cut = str.split if level == "white_space" else re.compile(r"[^\W_]+|[^\w\s]|_").findall
    tokens = [cut(text) for text in texts]
    counter = collections.Counter(token for line in tokens for token in line)
    index_of = {token: i for i, (token, _) in enumerate(counter.most_common(), start=2)}
    yield
    indices = [[index_of.get(token, 1) for token in line] for line in tokens]
    yield sum(map(len, indices)), 0


def by_tokenizers(level: str, texts: list[str], clean: bool):
    import numpy as np
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    yield
    yield
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    if clean:
        spaces, mark = normalizers.Replace(Regex("[\u202f\xa0]"), " "), Regex(r"(?<=[^ ])(?=[,.!?])")
        tokenizer.normalizer = normalizers.Sequence([spaces, normalizers.Lowercase(), normalizers.Replace(mark, " ")])
    cut = pre_tokenizers.WhitespaceSplit if level == "white_space" else pre_tokenizers.Whitespace
    tokenizer.pre_tokenizer = cut()
    trainer = trainers.WordLevelTrainer(vocab_size=10**7, show_progress=False, special_tokens=["<pad>", "<unk>"])
    tokenizer.train_from_iterator(texts, trainer)
    yield
    parts, lengths = [], []
    for begin in range(0, len(texts), 20_000):
        some = [found.ids for found in tokenizer.encode_batch_fast(texts[begin : begin + 20_000])]
        lengths += map(len, some)
        parts.append(np.fromiter(itertools.chain.from_iterable(some), np.uint32))
    yield len(np.concatenate(parts)), 0


def by_bare(level: str, texts: list[str], clean: bool):
    fitted = sentencepiece_model(texts)
    yield
    yield
    yield
    indices = fitted.processor.encode(texts, num_threads=int(os.environ["OMP_NUM_THREADS"]))
    yield sum(map(len, indices)), 0


def measure(level: str, way: str, options: argparse.Namespace) -> dict[str, float]:
    """One way, timed in this process."""
    from preprocess_throughput import peak, settle_memory

    texts = make_texts(options.data, options.megabytes)
    ways = {"podium": by_podium, "book": by_book, "tokenizers": by_tokenizers, "bare": by_bare}
    steps = ways[way](level, texts, level != "sentencepiece" and not options.uncleaned)
    next(steps)
    del texts
    settle_memory()
    before, marks = peak(), [(time.perf_counter(), time.process_time())]
    result = None
    for result in steps:
        marks.append((time.perf_counter(), time.process_time()))
        if result is not None:
            break  # what it holds is let go of off the clock
    tokens, encoded = result
    clean, fit, encode = (after[0] - start[0] for start, after in itertools.pairwise(marks))
    processor, memory = marks[-1][1] - marks[0][1], peak() - before
    times = {"clean": clean, "fit": fit, "encode": encode, "all": clean + fit + encode, "cpu": processor}
    return {**times, "memory": memory, "tokens": tokens, "encoded": encoded}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--levels", nargs="+", choices=list(LEVELS), default=list(LEVELS))
    parser.add_argument("--uncleaned", action="store_true", help="texts are cut as they are")
    parser.add_argument("--measure", nargs=2, metavar=("LEVEL", "WAY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure, options)))
        return
    threads = str(options.threads)
    surroundings = {**os.environ, "OMP_NUM_THREADS": threads, "RAYON_NUM_THREADS": threads}
    given = ["--data", str(options.data), "--megabytes", str(options.megabytes)]
    given += ["--uncleaned"] if options.uncleaned else []
    print(f"{options.megabytes:g} MB, {threads} threads, medians of {options.runs}; seconds, MiB\n")
    print("| level | way | clean | fit | encode | all | processor | peak | encoded | all / podium's |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for level in options.levels:
        ways = [way for way in LEVELS[level] if way != "tokenizers" or find_spec("tokenizers")]
        found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for run in range(options.runs):
            for way in ways if run % 2 == 0 else reversed(ways):
                command = [sys.executable, __file__, *given, "--measure", level, way]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=surroundings)
                found[way].append(json.loads(done.stdout))
        middle = {
            way: {key: statistics.median(run[key] for run in found[way]) for key in found[way][0]} for way in ways
        }
        ours = middle["podium"]
        for way, one in middle.items():
            cells = [f"{one[key]:.1f}" for key in ("clean", "fit", "encode", "all", "cpu")]
            cells += [f"{one[key] / 2**20:.0f}" for key in ("memory", "encoded")]
            print("|", " | ".join([level, way, *cells, f"{one['all'] / ours['all']:.2f}"]), "|", flush=True)
        print(f"  {level}: tokens { ({way: int(one['tokens']) for way, one in middle.items()}) }", file=sys.stderr)


if __name__ == "__main__":
    main()
