"""Vectors of texts from a pretrained encoder, each distinct text embedded once.

A text's vector is the same to the last bit whatever stands beside it in a minibatch: texts are padded to the next
multiple of ``STEP`` of their own length, never to a neighbour's. So jobs in any order, on any number of workers, give
the same features, and a pass that was killed goes on from what is kept.

Kept are they in ``.podium/embeddings/<encoder and settings>/``, in ``SHELVES`` files by the text's digest. Workers that
want the same texts share the pass: each takes a file that no other is at, and finds the others' done.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pipeline.core.files import Held, digest, lock, whole_file
from pipeline.core.kept_digests import kept_digest
from pipeline.core.paths import state_folder
from pipeline.core.seeds import threads
from pipeline.text.pretrained import Pieces, files_of, read_network

if TYPE_CHECKING:
    from torch import Tensor

STEP = 8
"""Lengths are filled up to a multiple of it."""
SHELVES = 16
KEPT_FROM = 32
"""Fewer texts are embedded sooner than kept."""
MOST_BYTES = 4 << 30
"""Of all encoders together; the least recently used are cleared away."""
LONGEST = 7 * 86400.0
"""Seconds after which what nobody has used is cleared away."""

Pool = Literal["mean", "cls"]
Known = dict[str, np.ndarray]


class Embeddings:
    """Texts to vectors float32 [texts, width].

    pooling: mean of all steps that are no padding, or the first step. maximum_length: see ``Pieces``.
    batch_size: texts at once.
    """

    def __init__(self, folder: Path, pooling: Pool, maximum_length: int, batch_size: int) -> None:
        self.folder, self.pooling, self.batch_size = folder, pooling, batch_size
        self.pieces = Pieces(folder, maximum_length)
        self._made_of = (pooling, maximum_length)
        self._network: Any = None

    def encode(self, texts: Sequence[str], width: int) -> np.ndarray:
        distinct = {_key(text): text for text in texts}
        kept = len(distinct) >= KEPT_FROM and state_folder().is_dir()  # a served model leaves nothing where it runs
        known = self._through_shelves(distinct) if kept else self._embed(distinct)
        found = [known[_key(text)] for text in texts]
        return np.stack(found) if found else np.zeros((0, width), dtype=np.float32)  # [texts, width]

    def _embed(self, texts: Mapping[str, str]) -> Known:
        """By key, of all texts, in minibatches of one length."""
        import torch

        keys = list(texts)
        ids = self.pieces.encode([texts[key] for key in keys])
        by_length: dict[int, list[int]] = {}
        for i, one in enumerate(ids):
            by_length.setdefault(-(-len(one) // STEP) * STEP, []).append(i)
        if self._network is None and keys:
            self._network = read_network(self.folder)
        known: Known = {}
        for length, places in sorted(by_length.items()):
            for begin in range(0, len(places), self.batch_size):
                some = places[begin : begin + self.batch_size]
                batch = np.full((len(some), length), self.pieces.padding, dtype=np.int64)
                mask = np.zeros((len(some), length), dtype=np.int64)
                for row, i in enumerate(some):
                    batch[row, : len(ids[i])], mask[row, : len(ids[i])] = ids[i], 1
                with torch.inference_mode():
                    vectors = self._pooled(torch.from_numpy(batch), torch.from_numpy(mask)).numpy()
                known.update((keys[i], vector) for i, vector in zip(some, vectors, strict=True))
        return known

    def _pooled(self, ids: Tensor, mask: Tensor) -> Tensor:
        """int64 [batch, steps], twice -> float32 [batch, width]."""
        steps = self._network(input_ids=ids, attention_mask=mask).last_hidden_state  # [batch, steps, width]
        if self.pooling == "cls":
            return steps[:, 0]  # [batch, width]
        real = mask.unsqueeze(-1).to(steps.dtype)  # [batch, steps, 1]
        return (steps * real).sum(1) / real.sum(1)  # [batch, width]

    def _through_shelves(self, texts: Mapping[str, str]) -> Known:
        shelves: dict[int, dict[str, str]] = {}
        for key in sorted(texts):
            shelves.setdefault(int(key[:4], 16) % SHELVES, {})[key] = texts[key]
        place = _folder() / self._digest()
        place.mkdir(parents=True, exist_ok=True)
        os.utime(place)
        _tidy()
        # The files that nobody is at come first.
        known: Known = {}
        held = [number for number, some in shelves.items() if not self._try(place, number, some, known, wait=0.0)]
        for number in held:
            self._try(place, number, shelves[number], known, wait=float("inf"))
        return known

    def _try(self, place: Path, number: int, texts: Mapping[str, str], known: Known, wait: float) -> bool:
        """Embed what a file lacks; False where another is at it for longer than ``wait`` seconds."""
        path = place / f"{number:02}.safetensors"
        found = _read(path)
        if any(key not in found for key in texts):
            try:
                with lock(path.with_suffix(".lock"), wait=wait, held=path.name):
                    found = _read(path)
                    if lacking := {key: text for key, text in texts.items() if key not in found}:
                        found |= self._embed(lacking)
                        _write(path, found)
            except Held:
                return False
        known.update((key, found[key]) for key in texts)
        return True

    def _digest(self) -> str:
        """Of all that a vector hangs on besides its text; sums of floats follow the number of threads."""
        from importlib.metadata import version

        files = [(file.name, kept_digest(file)) for file in files_of(self.folder)]
        return digest(files, self._made_of, threads(), STEP, version("torch"), version("transformers"))


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _folder() -> Path:
    return state_folder() / "embeddings"


def _read(path: Path) -> Known:
    """What a file holds: ``keys`` uint8 [texts, 16] and ``vectors`` float32 [texts, width]."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        held = load_file(path)
        return {key.tobytes().hex(): vector for key, vector in zip(held["keys"], held["vectors"], strict=True)}
    except (OSError, SafetensorError, KeyError, ValueError):
        return {}


def _write(path: Path, known: Known) -> None:
    from safetensors.numpy import save_file

    keys = np.frombuffer(bytes.fromhex("".join(known)), dtype=np.uint8).reshape(len(known), 16)
    try:
        with whole_file(path) as aside:
            save_file({"keys": keys, "vectors": np.stack(list(known.values()))}, aside)
    except OSError:
        return  # the disk is full: they are embedded again


def _tidy() -> None:
    """Clear away encoders whose vectors nobody has used for long, and the oldest over the bound."""
    folders = sorted(_folder().glob("*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    total = 0
    for number, folder in enumerate(folders):
        total += sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        if number and (total > MOST_BYTES or time.time() - folder.stat().st_mtime > LONGEST):
            shutil.rmtree(folder, ignore_errors=True)
