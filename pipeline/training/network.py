"""A trained network: answers, validation loss, and its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model

from pipeline.core.errors import UserError
from pipeline.core.files import read_json, write_json
from pipeline.core.types import Batch, Encoded, Model, Spec, Task
from pipeline.models.layers.network import Network
from pipeline.training.device import find_device, reproducible
from pipeline.training.examples import Examples
from pipeline.training.sampling import Selection

if TYPE_CHECKING:
    from pipeline.training.neural import Neural

PREDICTION_BATCHES = 4
"""A batch without gradients may hold as many training batches: it keeps no activations."""


@dataclass
class FittedNetwork:
    """See ``Fitted``. ``names`` are the inputs' names, for the importance of what has them."""

    network: Network
    settings: Neural
    task: Task
    spec: Spec
    device: torch.device
    rounds: int = 0
    curves: dict[str, list[float]] = field(default_factory=dict)

    def raw(self, inputs: Encoded) -> np.ndarray:
        """Raw answers [rows, ...]; a row's examples are summed."""
        with reproducible(self.device):
            return self.answers(Examples(inputs, self.device))

    @torch.inference_mode()
    def answers(self, examples: Examples) -> np.ndarray:
        self.network.eval()
        row, raw, state = examples.row, None, None
        rows = examples.count if row is None else int(row.max()) + 1
        for selection, batch in self._batches(examples):
            answer, state = self.task.answer(self.network, batch, carried(selection, state))
            values, index = answer.cpu().numpy(), selection.index.numpy()  # [batch, ...], [batch]
            if raw is None:
                # Sums over many windows need more digits than one answer does.
                many = row is not None and values.dtype.kind == "f"
                raw = np.zeros((rows, *values.shape[1:]), np.float64 if many else values.dtype)
            if row is None:
                raw[index] = values
            else:
                np.add.at(raw, row[index], values)
        if raw is None:
            raise ValueError("there are no examples to answer")
        return raw

    @torch.inference_mode()
    def loss(self, examples: Examples, criterion: Any) -> float:
        """Mean loss of examples that have a target."""
        self.network.eval()
        total, count, state = 0.0, 0, None
        for selection, batch in self._batches(examples):
            output, state = self.network(batch, carried(selection, state))
            total += float(self.task.loss(output, batch, criterion)) * len(output)
            count += len(output)
        return total / count

    def _batches(self, examples: Examples) -> Iterator[tuple[Selection, Batch]]:
        sampler, size = self.settings.sampling, self.settings.batch_size * PREDICTION_BATCHES
        for selection in sampler.prediction(examples.bookkeeping, examples.count, size):
            yield selection, examples.batch(selection)

    def importance(self) -> dict[str, float] | None:
        """What the network says itself (a linear layer does), None where it says nothing."""
        return self.network.importance(self.spec.names)

    def save(self, folder: Path) -> None:
        """Write ``weights.safetensors`` and ``training.json`` (rounds and curves)."""
        folder.mkdir(parents=True, exist_ok=True)
        save_model(self.network, str(folder / "weights.safetensors"))
        write_json(folder / "training.json", {"rounds": self.rounds, "curves": self.curves})

    @classmethod
    def load(cls, folder: Path, settings: Neural, model: Model, task: Task, spec: Spec) -> FittedNetwork:
        """Raises UserError when the weights are missing, broken, or another network's."""
        facts = read_json(folder / "training.json")
        device = find_device(settings.device)
        with reproducible(device):
            network = model.build(spec, task, 0)
        path = folder / "weights.safetensors"
        try:
            load_model(network, str(path), strict=True)
        except (SafetensorError, FileNotFoundError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{path}: not the weights of this network ({reason}); run `dvc repro` again") from None
        return cls(network.to(device), settings, task, spec, device, **facts)


def carried(selection: Selection, state: Any) -> Any:
    """The state to give with this selection: none where none is carried or every lane is fresh,
    otherwise that of the lanes that go on, which are the first ones."""
    if selection.fresh is None or bool(selection.fresh.all()):
        return None
    lanes = len(selection.index)
    return map_state(state, lambda tensor: tensor[:lanes])


def map_state(state: Any, function: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A nested state with every tensor passed through ``function``."""
    if isinstance(state, torch.Tensor):
        return function(state)
    if isinstance(state, dict):
        return {key: map_state(value, function) for key, value in state.items()}
    if isinstance(state, (tuple, list)):
        return type(state)(map_state(value, function) for value in state)
    return state
