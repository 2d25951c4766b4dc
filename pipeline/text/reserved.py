"""The indices that vocabularies reserve."""

from __future__ import annotations

PAD, UNK, BOS, EOS = 0, 1, 2, 3
"""Padding, unknown, begin, end. A vocabulary reserves as many of them as it needs, from the first on."""

RESERVED = ("<pad>", "<unk>", "<bos>", "<eos>")
