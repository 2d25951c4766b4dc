"""A member of a stack: what it is to learn, and how far it is."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline.core.errors import Diverged, UserError
from pipeline.core.files import read_json, whole_folder, write_json
from pipeline.core.types import FitJob
from pipeline.models.layers.network import Network
from pipeline.training.checkpoints import SECONDS, Progress, identity
from pipeline.training.device import find_device, reproducible
from pipeline.training.loop import begin_network
from pipeline.training.network import FittedNetwork

if TYPE_CHECKING:
    from pipeline.training.neural import EarlyStopping, Neural


@dataclass
class Member:
    """One network of a stack, in the shapes that its own rows gave it.

    network, optimizer: weights and, by parameter, optimiser state; up to date between two runs.
    fault: set when it diverged, which the others do not notice.
    until: epoch to pause at.
    """

    settings: Neural
    job: FitJob
    network: Network
    progress: Progress = field(default_factory=Progress)
    optimizer: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    fault: Diverged | None = None
    until: int | None = None
    written: float = field(default_factory=time.monotonic)

    @classmethod
    def begin(cls, settings: Neural, job: FitJob) -> Member:
        """The member as ``loop.py`` would begin it, or where a killed run of it was."""
        device = find_device(settings.device)
        with reproducible(device, settings.threads):
            network = begin_network(job, device)
        member = cls(settings, job, network)
        member._restore()
        return member

    @property
    def rows(self) -> int:
        return len(next(iter(self.job.train.values())))

    @property
    def steps(self) -> int:
        """Minibatches an epoch."""
        return self.settings.sampling.minibatches({}, self.rows, self.settings.batch_size)

    @property
    def epochs(self) -> int:
        return self.job.rounds or self.settings.epochs

    @property
    def horizon(self) -> int:
        """Minibatches that its schedule is laid out over."""
        return self.settings.horizon(self.job) * self.steps

    @property
    def stopping(self) -> EarlyStopping | None:
        return self.settings.early_stopping if self.job.valid is not None and self.job.rounds is None else None

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return self.job.checkpoint is not None and time.monotonic() - self.written >= SECONDS

    @property
    def over(self) -> bool:
        """Whether it has nothing left to learn, or is to pause here."""
        progress = self.progress
        if self.fault is not None or progress.epoch >= min(self.epochs, self.until or self.epochs):
            return True
        stopping = self.stopping
        return stopping is not None and progress.epoch - progress.best_epoch >= stopping.patience and progress.epoch > 0

    def fitted(self) -> FittedNetwork:
        """What it has learned. Raises Diverged."""
        if self.fault is not None:
            raise self.fault
        if self.stopping is not None:
            self.network.load_state_dict(self.progress.best)
        self.network.eval()
        device = next(self.network.parameters()).device
        rounds = self.progress.best_epoch if self.stopping is not None else self.progress.epoch
        curves, trace = self.progress.curves, self.progress.trace
        return FittedNetwork(self.network, self.settings, self.job.task, self.job.spec, device, rounds, curves, trace)

    def keep(self) -> None:
        """Write a checkpoint, to go on from after a kill or in another process; between epochs only."""
        if self.job.checkpoint is None:
            return
        tensors = {f"network/{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"best/{name}": tensor for name, tensor in self.progress.best.items()}
        for name, state in self.optimizer.items():
            tensors |= {f"optimizer/{name}/{key}": value for key, value in state.items() if value is not None}
        kept = ("epoch", "curves", "best_epoch", "best_value", "trace")
        facts = {name: getattr(self.progress, name) for name in kept}
        with whole_folder(Path(self.job.checkpoint) / "member") as aside:
            copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
            save_file(copies, aside / "tensors.safetensors")
            fault = str(self.fault) if self.fault else None
            write_json(aside / "progress.json", {**facts, "identity": self._identity(), "fault": fault})
        self.written = time.monotonic()

    def _restore(self) -> None:
        folder = None if self.job.checkpoint is None else Path(self.job.checkpoint) / "member"
        if folder is None or not folder.exists():
            return
        try:
            facts, tensors = read_json(folder / "progress.json"), load_file(folder / "tensors.safetensors")
        except (UserError, SafetensorError, FileNotFoundError):
            return  # a broken disk, since the folder appears whole: begin anew
        if facts.pop("identity") != self._identity():
            return
        device = next(self.network.parameters()).device
        fault = facts.pop("fault")
        self.fault = Diverged(fault) if fault else None
        self.progress = Progress(**facts)
        own = {}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition("/")
            if kind == "network":
                own[rest] = tensor
            elif kind == "best":
                self.progress.best[rest] = tensor.to(device)
            else:
                parameter, _, key = rest.rpartition("/")
                # The number of steps stays where a new optimiser would have it.
                self.optimizer.setdefault(parameter, {})[key] = tensor.to(device)
        self.network.load_state_dict(own)

    def _identity(self) -> str:
        return identity(self.settings, self.job, next(self.network.parameters()).device)
