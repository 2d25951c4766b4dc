"""Text that goes on from a prefix: with keys and values kept, beside reading all of it anew for every token.

    python benchmarks/generation.py [--tokens 256] [--runs 3] [--threads 1] [--sizes CPU GPU]

The network is a Transformer of nanoGPT's CPU size (4 layers, 4 heads, width 128) or of its GPU size for characters (6,
6, 384), learned positions, untrained, over 65 characters; the prefix is one token. Both ways take the same search (top
40, temperature 0.8) and must give the same text. Runs alternate, medians are told. Bar: 10 times as fast at the CPU
size.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from pipeline.core.types import Spec
from pipeline.decoding import searches
from pipeline.decoding.network import NetworkSteps
from pipeline.decoding.steps import Steps
from pipeline.models import models
from pipeline.text.reserved import BOS

SIZES = {"CPU": {"layers": 4, "heads": 4, "width": 128}, "GPU": {"layers": 6, "heads": 6, "width": 384}}
CHARACTERS = 65 + 4


class Anew(Steps):
    """Its state is what was read so far."""

    def __init__(self, network: Any) -> None:
        self.network = network.eval()

    def start(self, lanes: int) -> np.ndarray:
        return np.zeros((lanes, 0), np.int64)

    def take(self, state: np.ndarray, lanes: np.ndarray) -> np.ndarray:
        return state[lanes]

    @torch.inference_mode()
    def step(self, tokens: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        whole = np.concatenate([state, tokens[:, None]], axis=1)  # [lanes, steps]
        scores, _ = self.network({"tokens": torch.from_numpy(whole)})  # [lanes, steps, tokens]
        return scores[:, -1].double().log_softmax(-1).numpy(), whole


def timed(steps: Steps, lanes: int, tokens: int) -> tuple[float, list[list[int]]]:
    search = searches.build({"name": "sampling", "temperature": 0.8, "top_k": 40}, "search")
    began = time.perf_counter()
    found = list(search.tokens(steps, np.full((lanes, 1), BOS), tokens, joined=True))
    return time.perf_counter() - began, np.array(found).T.tolist()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["CPU"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("| size | samples | cache, s | tokens/s | anew, s | tokens/s | times |\n|---|---:|---:|---:|---:|---:|---:|")
    for size in options.sizes:
        torch.manual_seed(0)
        body = {"name": "transformer_language_model", "positions": "learned", "longest": options.tokens, **SIZES[size]}
        network = models.build(body, "model").build(Spec(outputs=CHARACTERS), task=None, seed=0)
        ways = {"cache": NetworkSteps(network, torch.device("cpu")), "anew": Anew(network)}
        for lanes in (1, 8):
            for steps in ways.values():
                timed(steps, lanes, 8)  # warm
            seconds: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(options.runs):
                texts = []
                for way, steps in ways.items():
                    took, text = timed(steps, lanes, options.tokens)
                    seconds[way].append(took)
                    texts.append(text)
                if texts[0] != texts[1]:
                    raise SystemExit(f"{size}, {lanes} samples: the two ways give different texts")
            kept, anew = (statistics.median(seconds[way]) for way in ways)
            rate = lanes * options.tokens
            print(
                f"| {size} | {lanes} | {kept:.2f} | {rate / kept:,.0f} | {anew:.2f} | {rate / anew:,.0f} | "
                f"{anew / kept:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
