"""A small competition of translation: word for word, three words a sentence."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

WORDS = {"a": "un", "red": "rouge", "cat": "chat", "dog": "chien", "big": "gros", "sees": "voit"}
SENTENCES = [[one, two, three] for one in WORDS for two in WORDS for three in ("cat", "dog")]


def write_files(root: Path, test_rows: int = 0) -> None:
    """``files/`` with train.csv and, where rows are asked for, the last ones as test.csv with a sample submission."""
    (root / "files").mkdir()
    rows = pd.DataFrame({"id": range(len(SENTENCES)), "en": [" ".join(words) for words in SENTENCES]})
    rows["fr"] = [" ".join(WORDS[word] for word in words) for words in SENTENCES]
    rows.to_csv(root / "files" / "train.csv", index=False)
    if test_rows:
        rows[["id", "en"]].tail(test_rows).to_csv(root / "files" / "test.csv", index=False)
        rows[["id", "fr"]].tail(test_rows).to_csv(root / "files" / "sample_submission.csv", index=False)


def competition(**changes) -> dict:
    pairs = {"name": "pairs", "source": "en", "target": "fr", "tokenizer": "words"}
    return {
        "source": {"name": "files", "path": "files"},
        "columns": {"id": "id", "target": "fr", "types": {"en": "text"}},
        "task": {"name": "translation", "search": {"name": "beam", "width": 4}},
        "metric": "chrf",
        "split": {"name": "shuffled", "folds": 2, "seed": 0},
        "features": {"pairs": pairs},
        "blend": "best",
        "submission": "values",
        **changes,
    }
