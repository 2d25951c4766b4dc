"""Where a network is trained, and the same bytes each time there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pipeline.core import processor
from pipeline.core.errors import UserError


def find_device(wanted: str) -> torch.device:
    """``auto`` is CUDA where there is one. Raises UserError when CUDA is asked for and absent."""
    # cuBLAS reads it when CUDA starts, and is deterministic only with it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Torch then asks NVML, not the driver: a process that has asked the driver, as the pool's does when it cuts
    # stacks, could fork none that computes there.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    found = torch.cuda.is_available()
    if wanted == "cuda" and not found:
        raise UserError("fit.device: cuda needs a CUDA device and there is none; use auto or cpu")
    return torch.device("cuda" if found and wanted != "cpu" else "cpu")


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether it has products of 16 bits of its own."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return processor.multiplies_bfloat16()


@contextmanager
def reproducible(device: torch.device, threads: int | None = None) -> Iterator[None]:
    """Torch's global random state is this fit's own inside and untouched outside; on CUDA only deterministic kernels,
    where there is a choice. threads: None: as the job was given them."""
    if wanted := threads or os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(int(wanted))
    on_cuda = device.type == "cuda"
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if on_cuda else []):
        if on_cuda:
            torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
