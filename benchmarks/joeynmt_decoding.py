"""JoeyNMT's beam search at the size of ``decoding.py``, beside Podium's, in turns in one run.

JoeyNMT is no dependency of Podium's: it is asked in an environment of its own. Same layers, width, vocabulary, source
and target lengths, beam, threads; weights are drawn, and no text may end before its limit.

    python -m venv /tmp/joeynmt && /tmp/joeynmt/bin/pip install torch==2.13.0 joeynmt==2.3.0
    python benchmarks/joeynmt_decoding.py /tmp/joeynmt/bin/python [SENTENCES] [TARGET TOKENS] [TURNS]
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from types import SimpleNamespace

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

VOCABULARY, SOURCE, WIDTH, LAYERS, UNITS, HIDDEN = 8000, 16, 5, 4, 128, 512


def joeynmt(sentences: int, length: int) -> float:
    """Seconds of one search; runs in JoeyNMT's environment."""
    from joeynmt.model import build_model
    from joeynmt.search import beam_search
    from joeynmt.vocabulary import Vocabulary

    marks = {"unk": "<unk>", "pad": "<pad>", "bos": "<s>", "eos": "</s>"}
    cfg = SimpleNamespace(
        **{f"{name}_token": token for name, token in marks.items()},
        **{f"{name}_id": number for number, name in enumerate(marks)},
        sep_token=None,
        sep_id=None,
        lang_tags=[],
    )
    vocabulary = Vocabulary([f"t{i}" for i in range(VOCABULARY - 4)], cfg)
    part = {
        "type": "transformer",
        "num_layers": LAYERS,
        "num_heads": 4,
        "embeddings": {"embedding_dim": UNITS, "scale": True},
        "hidden_size": UNITS,
        "ff_size": HIDDEN,
        "dropout": 0.0,
        "layer_norm": "pre",
    }
    torch.manual_seed(0)
    model = build_model(
        {"encoder": part, "decoder": part, "tied_embeddings": True, "tied_softmax": True}, vocabulary, vocabulary
    ).eval()
    source = torch.randint(4, VOCABULARY, (sentences, SOURCE))
    began = time.perf_counter()
    with torch.no_grad():
        mask = torch.ones(sentences, 1, SOURCE, dtype=torch.bool)
        lengths = torch.full((sentences,), SOURCE)
        found, hidden, _, _ = model(return_type="encode", src=source, src_length=lengths, src_mask=mask)
        beam_search(model, WIDTH, found, hidden, mask, length, 0.6, min_output_length=length)
    return time.perf_counter() - began


def podium(sentences: int, length: int, turns: int) -> list[float]:
    import numpy as np
    from decoding import BODIES, CPU, Kept

    from pipeline.core.types import Spec
    from pipeline.decoding import searches
    from pipeline.models import models
    from pipeline.tasks import tasks

    torch.manual_seed(0)
    names = ["t"] * VOCABULARY
    sizes, of = {"source": VOCABULARY, "target": VOCABULARY}, {"source": names, "target": names}
    spec = Spec(sizes=sizes, vocabularies=of, outputs=VOCABULARY)
    body = next(body for body in BODIES.values() if body["name"] == "transformer")
    network = models.build(body, "model").build(spec, tasks.build("translation", "task"), seed=0).eval()
    steps, search = Kept(network, CPU), searches.build({"name": "beam", "width": WIDTH}, "s")
    batch, found = {"source": torch.randint(4, VOCABULARY, (sentences, SOURCE))}, []
    for _ in range(turns):
        began = time.perf_counter()
        search.answers(steps, steps.start(batch), np.full(sentences, length), [0] * sentences)
        found.append(time.perf_counter() - began)
    return found


def main() -> None:
    python, (sentences, length, turns) = sys.argv[1], [*map(int, sys.argv[2:]), *(32, 40, 3)[len(sys.argv) - 2 :]]
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if python == "--joeynmt":
        for _ in range(turns):
            sys.stdout.write(f"{joeynmt(sentences, length)}\n")
        return
    command = [python, __file__, "--joeynmt", str(sentences), str(length), "1"]
    theirs, ours = [], []
    for _ in range(turns):
        ours += podium(sentences, length, 1 + (not ours))  # the first one warms up
        theirs.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]))
    own, other = min(ours), min(theirs)
    print(
        f"{sentences} sources of {SOURCE} tokens, {length} target tokens, vocabulary {VOCABULARY}, beam {WIDTH}, "
        f"{LAYERS} + {LAYERS} layers of {UNITS}, {torch.get_num_threads()} thread(s), the least of {turns} turns"
    )
    print(f"  Podium  {own:7.2f} s  {sentences / own:6.1f} sentences/s")
    print(f"  JoeyNMT {other:7.2f} s  {sentences / other:6.1f} sentences/s, {other / own:.1f} times as long")


if __name__ == "__main__":
    main()
