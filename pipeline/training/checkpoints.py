"""Checkpoints of a long fit, so that a killed one goes on to the very same weights.

A checkpoint is one folder that appears whole: ``tensors.safetensors`` and ``progress.json``.
It serves only the same settings, data and torch release; another fit's is left aside.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from pipeline.core.errors import UserError
from pipeline.core.files import digest, read_json, whole_folder, write_json
from pipeline.core.ragged import Ragged
from pipeline.core.registry import settings_dict
from pipeline.core.stored import Stored
from pipeline.core.types import FitJob

SECONDS = 30.0
"""Least time between two checkpoints; a shorter fit writes none."""


@dataclass
class Progress:
    """How far a fit is, and all it carries besides weights and optimiser state.

    epoch: epochs done. step: minibatches done of the next one; ``losses`` with their ``weights``
    (see ``Weighed``) and ``norms`` hold a value for each of these.
    state: the network's carried state. best: weights of the best epoch, where it is kept. averaged: weights averaged so
    far, where they are, over so many ``averages``. trace: what was watched, see ``watching.py``.
    lost: minibatch of the last epoch, from 1, whose loss was the first that is no finite number, and that loss.
    """

    epoch: int = 0
    step: int = 0
    losses: list[torch.Tensor] = field(default_factory=list)
    weights: list[torch.Tensor | int] = field(default_factory=list)
    norms: list[torch.Tensor] = field(default_factory=list)
    state: Any = None
    curves: dict[str, list[float]] = field(default_factory=dict)
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    averaged: dict[str, torch.Tensor] = field(default_factory=dict)
    averages: int = 0
    best_epoch: int = 0
    best_value: float | None = None
    trace: dict[str, Any] = field(default_factory=dict)
    lost: tuple[int, float] | None = None


class Checkpoints:
    """Writes and reads the checkpoint of one fit; does nothing where ``job.checkpoint`` is None."""

    def __init__(self, settings: Any, job: FitJob, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.settings, self.job, self.network, self.optimizer = settings, job, network, optimizer
        self.folder = None if job.checkpoint is None else Path(job.checkpoint) / "latest"
        self.written = time.monotonic()
        self._identity: str | None = None

    @property
    def due(self) -> bool:
        """Whether it is time for one."""
        return self.folder is not None and time.monotonic() - self.written >= SECONDS

    def keep(self, progress: Progress) -> None:
        """Write a checkpoint, in place of the one before. Call after a minibatch, where one is due."""
        if self.folder is None:
            return
        state_tensors: list[torch.Tensor] = []
        facts = {
            "identity": self.identity(),
            "epoch": progress.epoch,
            "step": progress.step,
            "weights": [int(weight) for weight in progress.weights],
            "state": _flatten(progress.state, state_tensors),
            "curves": progress.curves,
            "averages": progress.averages,
            "best_epoch": progress.best_epoch,
            "best_value": progress.best_value,
            "trace": progress.trace,
        }
        tensors = {f"network/{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"best/{name}": tensor for name, tensor in progress.best.items()}
        tensors |= {f"averaged/{name}": tensor for name, tensor in progress.averaged.items()}
        tensors |= {f"state/{i}": tensor for i, tensor in enumerate(state_tensors)}
        for i, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{i}/{key}": value for key, value in values.items() if value is not None}
        tensors |= {"losses": torch.stack(progress.losses), "norms": torch.stack(progress.norms)}
        tensors["random"] = torch.get_rng_state()
        if torch.cuda.is_initialized():
            tensors["random_cuda"] = torch.cuda.get_rng_state()
        with whole_folder(self.folder) as aside:
            # Clones, since safetensors refuses tensors that share memory (tied weights).
            copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
            save_file(copies, aside / "tensors.safetensors")
            write_json(aside / "progress.json", facts)
        self.written = time.monotonic()

    def restore(self) -> Progress:
        """Fill network, optimiser and random state from the checkpoint, if there is one of this fit."""
        if self.folder is None or not self.folder.exists():
            return Progress()
        try:
            facts = read_json(self.folder / "progress.json")
            tensors = load_file(self.folder / "tensors.safetensors")
        except (UserError, SafetensorError, FileNotFoundError):
            return Progress()  # a broken disk, since the folder appears whole: begin anew
        if facts["identity"] != self.identity():
            return Progress()
        device = next(self.network.parameters()).device
        self.network.load_state_dict(_below("network", tensors))
        states: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in _below("optimizer", tensors).items():
            number, key = name.split("/")
            states.setdefault(int(number), {})[key] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": states, "param_groups": groups})
        torch.set_rng_state(tensors["random"])
        if "random_cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random_cuda"])
        state_tensors = [tensors[f"state/{i}"].to(device) for i in range(len(_below("state", tensors)))]
        return Progress(
            epoch=facts["epoch"],
            step=facts["step"],
            losses=list(tensors["losses"].to(device)),
            norms=list(tensors["norms"].to(device)),
            weights=facts["weights"],
            state=_nest(facts["state"], state_tensors),
            curves=facts["curves"],
            best={name: tensor.to(device) for name, tensor in _below("best", tensors).items()},
            averaged={name: tensor.to(device) for name, tensor in _below("averaged", tensors).items()},
            averages=facts["averages"],
            best_epoch=facts["best_epoch"],
            best_value=facts["best_value"],
            trace=facts["trace"],
        )

    def identity(self) -> str:
        if self._identity is None:
            self._identity = identity(self.settings, self.job, next(self.network.parameters()).device)
        return self._identity


def identity(settings: Any, job: FitJob, device: torch.device) -> str:
    """Digest of all that decides the weights: settings, seed, arrays and torch itself."""
    arrays = [_array_digest(part or {}) for part in (job.train, job.valid)]
    parts = [settings_dict(part) for part in (settings, job.model, job.task.in_training())]
    facts = [job.spec.to_json(), job.seed, job.rounds, job.higher_is_better]
    return digest(parts, facts, arrays, torch.__version__, torch.get_num_threads(), str(device))


def _array_digest(arrays: dict[str, Any]) -> list[Any]:
    import hashlib

    import numpy as np

    return [
        [name, len(column), column.compact().fingerprint()]
        if isinstance(column, Ragged)
        else [name, column.fingerprint()]
        if isinstance(column, Stored)
        else [name, str(column.dtype), column.shape, hashlib.sha256(np.ascontiguousarray(column).data).hexdigest()]
        for name, column in sorted(arrays.items())
    ]


def _below(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(f"{prefix}/"): tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}/")
    }


def _flatten(state: Any, tensors: list[torch.Tensor]) -> Any:
    """The nesting of a state as JSON, its tensors appended to ``tensors`` in order."""
    if state is None:
        return None
    if isinstance(state, torch.Tensor):
        tensors.append(state)
        return len(tensors) - 1
    if isinstance(state, dict):
        return {"dict": {key: _flatten(value, tensors) for key, value in state.items()}}
    kind = "tuple" if isinstance(state, tuple) else "list"
    return {kind: [_flatten(value, tensors) for value in state]}


def _nest(shape: Any, tensors: list[torch.Tensor]) -> Any:
    """The inverse of ``_flatten``."""
    if shape is None:
        return None
    if isinstance(shape, int):
        return tensors[shape]
    ((kind, values),) = shape.items()
    if kind == "dict":
        return {key: _nest(value, tensors) for key, value in values.items()}
    nested = [_nest(value, tensors) for value in values]
    return tuple(nested) if kind == "tuple" else nested
