"""A trained network: answers, validation loss, and its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
            return self._answers(Examples(inputs, self.device))

    @torch.inference_mode()
    def _answers(self, examples: Examples) -> np.ndarray:
        answers = Answers(examples)
        if self.task.decodes:
            for selection, batch in self._batches(examples):
                answers.put(selection, self.network.decode(batch))
        else:
            for selection, batch, output in self._outputs(examples):
                answers.put(selection, self.task.answer(output, batch))
        return answers.all()

    @torch.inference_mode()
    def validate(self, examples: Examples, criterion: Any, answered: bool) -> tuple[float, np.ndarray | None]:
        """Mean loss of examples that have a target, and their raw answers where they are asked for.

        Both come from one pass through the network, unless the task decodes.
        """
        answers = Answers(examples) if answered and not self.task.decodes else None
        totals, weights = [], []
        for selection, batch, output in self._outputs(examples):
            total, weight = self.task.loss(output, batch, criterion)
            totals.append(total)
            weights.append(weight)
            if answers is not None:
                answers.put(selection, self.task.answer(output, batch))
        loss = mean_loss(totals, weights)
        if answers is not None:
            return loss, answers.all()
        return loss, self._answers(examples) if answered else None

    def _outputs(self, examples: Examples) -> Iterator[tuple[Selection, Batch, torch.Tensor]]:
        """The network's outputs [batch, ...], its state carried."""
        state = None
        for selection, batch in self._batches(examples):
            output, state = self.network(batch, carried(selection, state))
            yield selection, batch, output

    def _batches(self, examples: Examples) -> Iterator[tuple[Selection, Batch]]:
        self.network.eval()
        sampler, size = self.settings.sampling, self.settings.batch_size * PREDICTION_BATCHES
        for selection in sampler.prediction(examples.bookkeeping, examples.count, size):
            yield selection, examples.batch(selection)

    def importance(self) -> dict[str, float] | None:
        """What the network says itself (a linear layer does), None where it says nothing."""
        return self.network.importance(self.spec.names)

    def save(self, folder: Path) -> None:
        """Write ``weights.safetensors`` and ``training.json`` (rounds and curves)."""
        folder.mkdir(parents=True, exist_ok=True)
        # On the CPU: cuDNN keeps a recurrent layer's weights in one block, which safetensors takes for tied ones.
        save_model(self.network.cpu(), str(folder / "weights.safetensors"))
        self.network.to(self.device)
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


class Answers:
    """Raw answers of examples, put together to those of rows: a row's examples are summed."""

    def __init__(self, examples: Examples) -> None:
        self.row = examples.row
        self.rows = examples.count if self.row is None else int(self.row.max()) + 1
        self.raw: np.ndarray | None = None

    def put(self, selection: Selection, answer: torch.Tensor) -> None:
        """answer: [batch, ...]."""
        values, index = answer.cpu().numpy(), selection.index.numpy()  # [batch, ...], [batch]
        if self.raw is None:
            # Sums over many windows need more digits than one answer does.
            many = self.row is not None and values.dtype.kind == "f"
            self.raw = np.zeros((self.rows, *values.shape[1:]), np.float64 if many else values.dtype)
        if self.row is None:
            self.raw[index] = values
        else:
            np.add.at(self.raw, self.row[index], values)

    def all(self) -> np.ndarray:
        """[rows, ...]"""
        if self.raw is None:
            raise ValueError("there are no examples to answer")
        return self.raw


def mean_loss(totals: Sequence[torch.Tensor], weights: Sequence[torch.Tensor | int]) -> float:
    """Of minibatches, see ``Weighed``; 0 where nothing counts."""
    weight = sum(map(float, weights))
    return float(torch.stack(list(totals)).double().sum()) / weight if weight else 0.0


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
