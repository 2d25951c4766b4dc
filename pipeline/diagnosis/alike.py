"""Texts and images that are nearly the same, by small features of each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.images.column import Images
from pipeline.images.small import small_images

if TYPE_CHECKING:
    import numpy as np

WORDS = 8
"""Pieces of a text from which one other piece makes it nearly the same."""
MANY = 60
"""Words from which sentences are a text's pieces, where there are ``WORDS`` of them."""
LETTERS = 30_000_000
"""Characters of all texts up to which they are compared piece by piece."""
SIDE = 16
"""Height and width, in pixels, that images are compared in."""
ALIKE, APART = 0.1, 0.25
"""Distance of two such images, each of mean 0 and length 1, up to which they are nearly the same (a correlation of
0.995: among 6,000 digits of MNIST there are none), and the part of the distance that images have to their nearest one
as a rule which it is at most."""
IMAGES, NEIGHBOURS, DIRECTIONS, SAMPLE = 50_000, 4, 16, 200
"""Images up to which they are compared; nearest ones that are looked at, by how many principal directions; and images
whose nearest one says how far apart they are as a rule."""


def as_one(hashes: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Of each row the hash that its group's first row has. hashes: uint64 [rows]. group: int [rows]."""
    import numpy as np

    _, first, place = np.unique(group, return_index=True, return_inverse=True)
    told: np.ndarray = hashes[first[place]]
    return told


def alike_texts(texts: list[str]) -> np.ndarray:
    """Which texts are nearly the same, the same number for these, int [texts]: all their words are, in any order and
    case, but one in either; of long ones all their sentences but one."""
    import numpy as np
    import pandas as pd

    if sum(map(len, texts)) > LETTERS:
        return np.arange(len(texts))
    pieces = [_pieces(text) for text in texts]
    row = np.repeat(np.arange(len(texts)), [len(one) for one in pieces])  # [pieces]
    hashes = pd.util.hash_array(np.array([piece for one in pieces for piece in one], dtype=object))
    whole = np.zeros(len(texts), dtype=np.uint64)
    np.add.at(whole, row, hashes)
    long = np.flatnonzero([len(one) > 0 for one in pieces])
    keys = np.concatenate([whole[long], whole[row] - hashes])  # as it is, and with each piece left out
    return _connected(keys, np.concatenate([long, row]), len(texts))


def _pieces(text: str) -> list[str]:
    """None of a short text."""
    words = re.findall(r"\w+", text.casefold())
    if len(words) >= MANY:
        sentences = [" ".join(re.findall(r"\w+", one)) for one in re.split(r"[.!?\n]+", text.casefold())]
        sentences = [one for one in sentences if one]
        words = sentences if len(sentences) >= WORDS else words
    return words if len(words) >= WORDS else []


def _connected(keys: np.ndarray, row: np.ndarray, rows: int) -> np.ndarray:
    """Which rows hang together by a key that they share, int [rows]. keys, row: of one length."""
    import numpy as np

    order = np.argsort(keys, kind="stable")
    same = keys[order][1:] == keys[order][:-1]
    return _joined(row[order][1:][same], row[order][:-1][same], rows)


def _joined(one: np.ndarray, other: np.ndarray, rows: int) -> np.ndarray:
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(one)), (one, other)), shape=(rows, rows))
    labels: np.ndarray = connected_components(graph, directed=False)[1]
    return labels


def alike_images(images: Images) -> np.ndarray:
    """Which images are nearly the same, the same number for these, int [images]: made small, darker or lighter, with
    less contrast, compressed anew."""
    import numpy as np
    from scipy.spatial import cKDTree

    rows = len(images)
    if not 2 <= rows <= IMAGES:
        return np.arange(rows)
    small = small_images(images, SIDE).reshape(rows, -1)  # [images, pixels and channels]
    small -= small.mean(axis=1, keepdims=True)
    length = np.linalg.norm(small, axis=1, keepdims=True)
    telling = np.flatnonzero(length[:, 0] > 0)
    small = (small / np.maximum(length, 1e-9))[telling]
    if len(telling) < 2:
        return np.arange(rows)
    # Turned onto their principal directions, and all but the first of these left out, images are no further apart.
    directions = np.linalg.eigh(small.T @ small)[1][:, -DIRECTIONS:]
    turned = small @ directions  # [images, directions]
    near = min(ALIKE, APART * _as_a_rule(small))
    _, found = cKDTree(turned).query(
        turned, k=NEIGHBOURS, distance_upper_bound=near
    )  # the first is itself, or its like
    one, other = np.repeat(np.arange(len(small)), found.shape[1]), found.ravel()
    there = (other < len(small)) & (one != other)
    one, other = one[there], other[there]
    close = np.linalg.norm(small[one] - small[other], axis=1) <= near
    return _joined(telling[one[close]], telling[other[close]], rows)


def _as_a_rule(small: np.ndarray) -> float:
    """The median distance to the nearest other image."""
    import numpy as np

    some = np.linspace(0, len(small) - 1, min(SAMPLE, len(small)), dtype=int)
    alike = small[some] @ small.T  # [some images, images]
    alike[np.arange(len(some)), some] = -1
    return float(np.median(np.sqrt(np.maximum(2 - 2 * alike.max(axis=1), 0))))
