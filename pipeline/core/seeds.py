"""Seeds and threads: the same numbers in, the same bytes out."""

from __future__ import annotations

import hashlib
import os
import random

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def derive_seed(*parts: object) -> int:
    """A 31-bit seed from any parts (competition seed, fold, trial, ...), stable everywhere."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & 0x7FFFFFFF


def fix_threads(threads: int) -> None:
    """Cap the numeric libraries' threads. Call before numpy, torch or LightGBM load.

    Each job has a fixed number of threads, so results do not depend on the number of cores;
    parallelism comes from running jobs side by side.
    """
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(threads)


def threads() -> int:
    """Threads that a job may use: what ``fix_threads`` has set, else 1."""
    value = os.environ.get("OMP_NUM_THREADS", "1")
    return int(value) if value.isdecimal() and int(value) else 1


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and, where it is loaded already, torch."""
    import sys

    import numpy

    random.seed(seed)
    numpy.random.seed(seed)
    if torch := sys.modules.get("torch"):
        # With no other device built in: seeding those that may come reads torch's sources, for tracebacks.
        processor_alone = not (torch.backends.cuda.is_built() or torch.backends.mps.is_built())
        (torch.default_generator if processor_alone else torch).manual_seed(seed)
