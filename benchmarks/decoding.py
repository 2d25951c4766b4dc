"""Beam search over a translator's kept state against recomputing, side by side in one run.

The same beam over the same network, whose weights are drawn: once a token at a time from the state that it keeps, once
with source and all tokens read again for each one that follows. Beside them the network's own steps alone, on as many
lanes as the beam has, and a greedy search. No text may end, so that all have the same length; seconds
are the least of the turns.

    python benchmarks/decoding.py [SENTENCES] [TARGET TOKENS] [TURNS]
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from pipeline.core.types import Spec
from pipeline.decoding import searches
from pipeline.decoding.network import NetworkSteps
from pipeline.decoding.steps import Steps
from pipeline.models import models
from pipeline.tasks import tasks
from pipeline.text.reserved import EOS

VOCABULARY, SOURCE, WIDTH = 8000, 16, 5
CPU = torch.device("cpu")
MARIAN = {"d_model": 256, "encoder_layers": 4, "decoder_layers": 4, "max_position_embeddings": 128}
SIDE = {"attention_heads": 4, "ffn_dim": 1024}
"""Of a pretrained translator of this kind, its weights drawn too (extra ``pretrained``)."""
BODIES = {
    "transformer, 128 units, 4 + 4 layers": {"name": "transformer", "hidden": 512},
    "seq2seq, GRU of 256 with attention": {"name": "seq2seq", "hidden": 256},
    "Marian, 256 units, 4 + 4 layers": {"name": "pretrained_translator"},
}


class Recomputing(Steps):
    """Sources and all tokens so far are read again for each token."""

    def __init__(self, network) -> None:
        self.network = network

    def start(self, of):
        return of["source"], np.zeros((len(of["source"]), 0), np.int64)

    def take(self, state, lanes):
        return state[0][lanes], state[1][lanes]

    @torch.inference_mode()
    def step(self, tokens, state):
        source, text = state[0], np.concatenate([state[1], tokens[:, None]], axis=1)
        scores, _ = self.network({"source": source, "tokens": torch.from_numpy(text)})
        return endless(scores[:, -1].log_softmax(-1).numpy()), (source, text)


class Kept(NetworkSteps):
    def step(self, tokens, state):
        logs, state = super().step(tokens, state)
        return endless(logs), state


def endless(logs: np.ndarray) -> np.ndarray:
    logs[:, EOS] = -np.inf
    return logs


def seconds(turns: int, run: Callable[[], object]) -> float:
    found = []
    for _ in range(turns):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return min(found)


def main() -> None:
    sentences, length, turns = [*map(int, sys.argv[1:]), *(32, 40, 3)[len(sys.argv) - 1 :]]
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(0)
    task, names = tasks.build("translation", "task"), ["t"] * VOCABULARY
    spec = Spec(
        sizes={"source": VOCABULARY, "target": VOCABULARY},
        vocabularies={"source": names, "target": names},
        outputs=VOCABULARY,
        pretrained={"source": marian()},
    )
    batch = {"source": torch.randint(4, VOCABULARY, (sentences, SOURCE))}
    print(
        f"{sentences} sources of {SOURCE} tokens, {length} target tokens, vocabulary {VOCABULARY}, beam {WIDTH}, "
        f"{torch.get_num_threads()} thread(s), the least of {turns} turns"
    )
    for name, body in BODIES.items():
        if body["name"] == "pretrained_translator" and find_spec("transformers") is None:
            continue
        network = models.build(body, "model").build(spec, task, seed=0).eval()
        measure(name, network, batch, length, turns)


def marian() -> dict[str, Any]:
    """What the feature set tells of a pretrained model."""
    heads = {f"{side}_{what}": value for side in ("encoder", "decoder") for what, value in SIDE.items()}
    marks = {"pad_token_id": 0, "eos_token_id": EOS, "bos_token_id": None, "decoder_start_token_id": 0}
    config = {"model_type": "marian", "vocab_size": VOCABULARY, **MARIAN, **heads, **marks}
    return {"encoder": "", "config": config, "order": list(range(VOCABULARY))}


def measure(name: str, network: Any, batch: dict[str, torch.Tensor], length: int, turns: int) -> None:
    steps, anew, sentences = Kept(network, CPU), Recomputing(network), len(batch["source"])
    beam, greedy = searches.build({"name": "beam", "width": WIDTH}, "s"), searches.build("greedy", "s")

    def search(of: Steps, how: Any = beam) -> list[list[tuple[int, ...]]]:
        found = how.answers(of, of.start(batch), np.full(sentences, length), [0] * sentences)
        return [[one.tokens for one in some] for some in found]

    @torch.inference_mode()
    def alone() -> None:
        lanes = {key: column.repeat_interleave(WIDTH, 0) for key, column in batch.items()}
        state, tokens = network.start(lanes), torch.full((sentences * WIDTH,), 5)
        for _ in range(length):
            _, state = network.step(tokens, state)

    same = search(steps) == search(anew)
    own, kept = seconds(turns, alone), seconds(turns, lambda: search(steps))
    fast, slow = seconds(turns, lambda: search(steps, greedy)), seconds(1 + turns // 3, lambda: search(anew))
    print(f"{name}: {'the same texts' if same else 'other texts'}")
    print(f"  beam, kept state  {kept:7.2f} s  {sentences / kept:6.1f} sentences/s")
    print(f"  beam, recomputing {slow:7.2f} s  {slow / kept:6.1f} times as long")
    print(f"  network alone     {own:7.2f} s  {kept / own:6.2f} times as long is the beam")
    print(f"  greedy            {fast:7.2f} s  {sentences / fast:6.1f} sentences/s")


if __name__ == "__main__":
    main()
