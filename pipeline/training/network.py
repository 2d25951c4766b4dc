"""A trained network: answers, validation loss, and its files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model

from pipeline.core.errors import UserError, reason_of
from pipeline.core.files import read_json, write_json
from pipeline.core.ragged import Ragged
from pipeline.core.types import Batch, Encoded, Model, Spec, Task
from pipeline.decoding.network import NetworkSteps, map_state
from pipeline.models.finite import check_finite
from pipeline.models.layers.image_network import planes
from pipeline.models.layers.network import Network
from pipeline.training.device import find_device, reproducible
from pipeline.training.examples import LABELS, Examples
from pipeline.training.sampling.selection import Selection
from pipeline.training.searching import searched

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
    trace: dict[str, Any] = field(default_factory=dict)

    def raw(self, inputs: Encoded) -> Any:
        """Raw answers [rows, ...], of every token a ``Ragged`` of them, or what the task's search finds.

        Raises UserError for missing numbers, which it does not read.
        """
        check_numbers(self.network, inputs, self.spec)
        with reproducible(self.device, self.settings.threads):
            return self._answers(Examples(inputs, self.device), self.task)

    @torch.inference_mode()
    def _answers(self, examples: Examples, task: Task) -> Any:
        if task.search is not None:
            return searched(self.steps(), task, examples)
        answers = self._gathered(examples)
        for selection, batch, output in self._outputs(examples, views=True):
            answers.put(selection, task.answer(output, batch))
        return answers.all()

    @torch.inference_mode()
    def validate(self, examples: Examples, criterion: Any, answered: bool) -> tuple[float, Any]:
        """Mean loss of examples that have a target, and their raw answers where they are asked for.

        Both come from one pass through the network, unless answers are searched for; then as ``in_training`` has it.
        The pass has the fit's precision: it is for curves and for stopping, and the answers that are kept are ``raw``.
        """
        answers = self._gathered(examples) if answered and self.task.search is None else None
        totals, weights = [], []
        with self.settings.autocast(self.device):
            for selection, batch, output in self._outputs(examples):
                total, weight = self.task.loss(output.float(), batch, criterion)
                totals.append(total)
                weights.append(weight)
                if answers is not None:
                    answers.put(selection, self.task.answer(output.float(), batch))
        loss = mean_loss(totals, weights)
        if answers is not None:
            return loss, answers.all()
        return loss, self._answers(examples, self.task.in_training()) if answered else None

    @torch.inference_mode()
    def target_logs(self, inputs: Encoded) -> Ragged:
        """``Task.answer`` of each label of known targets."""
        examples = Examples(inputs, self.device)
        lengths = examples.lengths_of(LABELS)  # [examples]
        ends = np.cumsum(lengths)
        logs = np.zeros(int(lengths.sum()), np.float32)
        with reproducible(self.device, self.settings.threads):
            for selection, batch, output in self._outputs(examples):
                found = self.task.answer(output, batch).float().cpu().numpy()  # [batch, steps]
                for row, own in zip(selection.index.tolist(), found, strict=True):
                    logs[ends[row] - lengths[row] : ends[row]] = own[: lengths[row]]
        return Ragged.from_lengths(logs, lengths)

    def _gathered(self, examples: Examples) -> Answers:
        return TokenAnswers(examples) if self.task.of_tokens else Answers(examples)

    def _outputs(self, examples: Examples, views: bool = False) -> Iterator[tuple[Selection, Batch, torch.Tensor]]:
        """The network's outputs [batch, ...], its state carried. views: whether they are the mean over those that
        ``test_time`` asks for."""
        state, several = None, self.settings.test_time if views else None
        for selection, batch in self._batches(examples):
            if several is not None and "image" in batch:
                seen = several.views(planes(batch["image"]))
                outputs = [self.network({**batch, "image": view}, None)[0] for view in seen]
                yield selection, batch, torch.stack(outputs).mean(dim=0)  # [views, batch, ...] -> [batch, ...]
                continue
            output, state = self.network(batch, carried(selection, state))
            yield selection, batch, output

    def _batches(self, examples: Examples) -> Iterator[tuple[Selection, Batch]]:
        self.network.eval()
        # Of images more would leave the processor's caches, and take more memory than training does.
        several = 1 if examples.stored and self.device.type == "cpu" else PREDICTION_BATCHES
        sampler, size = self.settings.sampling, self.settings.batch_size * several
        yield from examples.batches(sampler.prediction(examples.bookkeeping, examples.count, size))

    def importance(self) -> dict[str, float] | None:
        """What the network says itself (a linear layer does), None where it says nothing."""
        return self.network.importance(self.spec.names)

    def contributions(self, inputs: Encoded) -> None:
        return None

    def saliency(self, inputs: Encoded) -> np.ndarray | None:
        """The gradient of each row's largest output by its image, the largest of a pixel's channels [rows, height,
        width] (Simonyan, Vedaldi and Zisserman 2014)."""
        if "image" not in inputs:
            return None
        examples = Examples(inputs, self.device)
        maps = Answers(examples)
        with reproducible(self.device, self.settings.threads):
            for selection, batch in self._batches(examples):
                image = planes(batch["image"]).detach().requires_grad_()  # [batch, channels, height, width]
                output, _ = self.network({**batch, "image": image}, None)  # [batch, outputs]
                (gradient,) = torch.autograd.grad(output.max(dim=1).values.sum(), image)
                maps.put(selection, gradient.abs().amax(dim=1).float())  # [batch, height, width]
        return np.asarray(maps.all())

    @torch.inference_mode()
    def feature_maps(self, inputs: Encoded) -> list[tuple[str, np.ndarray]] | None:
        """Of the first, a middle and the last convolution."""
        convolutions = [module for module in self.network.modules() if isinstance(module, torch.nn.Conv2d)]
        if "image" not in inputs or not convolutions:
            return None
        last = len(convolutions) - 1
        chosen, made = sorted({0, last // 2, last}), {}
        hooks = [
            convolutions[place].register_forward_hook(lambda _, given, maps, place=place: made.update({place: maps[0]}))
            for place in chosen
        ]
        try:
            with reproducible(self.device, self.settings.threads):
                for _, batch in self._batches(Examples(inputs, self.device)):
                    self.network(batch, None)
        finally:
            for hook in hooks:
                hook.remove()
        told = {place: f"convolution {place + 1} of {last + 1}" for place in made}
        return [(told[place], made[place].float().cpu().numpy()) for place in sorted(made)]  # [maps, height, width]

    def steps(self) -> NetworkSteps:
        """Of a network with ``start``, ``step`` and ``read``."""
        return NetworkSteps(self.network, self.device, self.network.longest)

    @torch.inference_mode()
    def attention(self, source: np.ndarray, tokens: np.ndarray) -> np.ndarray | None:
        """What each step of a known target looks at: int64 [source steps], [steps] -> [steps, source steps]; None where
        the network has no attention."""
        batch = {"source": source, "tokens": tokens}
        tensors = {name: torch.from_numpy(row.astype(np.int64)[None]).to(self.device) for name, row in batch.items()}
        with reproducible(self.device):
            weights = self.network.eval().attention(tensors)  # [1, steps, source steps]
        return None if weights is None else weights[0].float().cpu().numpy()

    def save(self, folder: Path) -> None:
        """Write ``weights.safetensors`` and ``training.json`` (rounds, curves, trace)."""
        folder.mkdir(parents=True, exist_ok=True)
        # On the CPU: cuDNN keeps a recurrent layer's weights in one block, which safetensors takes for tied ones.
        save_model(self.network.cpu(), str(folder / "weights.safetensors"))
        self.network.to(self.device)
        write_json(folder / "training.json", {"rounds": self.rounds, "curves": self.curves, "trace": self.trace})

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
            reason = reason_of(error, 200)
            raise UserError(f"{path}: not the weights of this network ({reason}); run `dvc repro` again") from None
        return cls(network.to(device), settings, task, spec, device, **facts)


class Answers:
    """Raw answers of minibatches, put together to those of all examples."""

    def __init__(self, examples: Examples) -> None:
        self.examples = examples
        self.raw: np.ndarray | None = None

    def put(self, selection: Selection, answer: torch.Tensor) -> None:
        """answer: [batch, ...]."""
        values, index = answer.cpu().numpy(), selection.index.numpy()  # [batch, ...], [batch]
        if self.raw is None:
            self.raw = np.zeros((self.examples.count, *values.shape[1:]), values.dtype)
        self.raw[index] = values

    def all(self) -> Any:
        """[examples, ...]"""
        if self.raw is None:
            raise ValueError("there are no examples to answer")
        return self.raw


class TokenAnswers(Answers):
    """An answer for every token of every example."""

    def put(self, selection: Selection, answer: torch.Tensor) -> None:
        """answer: [batch, steps] of the tokens that were read."""
        ends = self.examples.bookkeeping["ends"]
        if self.raw is None:
            self.raw = np.zeros(int(ends[-1]), np.float32)
        if selection.windows is None:
            last = ends[selection.index]
            counted = begins = last - self.examples.lengths[selection.index]
        else:
            begins, last, counted = selection.windows.begins, selection.windows.ends, selection.windows.counted
        steps = torch.arange(answer.shape[1]) + begins[:, None]  # [batch, steps]: places among all tokens
        own = (steps >= counted[:, None]) & (steps < last[:, None])
        self.raw[steps[own].numpy()] = answer.cpu()[own].numpy()

    def all(self) -> Any:
        """``Ragged`` of float32."""
        return Ragged.from_lengths(super().all(), self.examples.lengths.numpy())


def mean_loss(totals: Sequence[torch.Tensor], weights: Sequence[torch.Tensor | int]) -> float:
    """Of minibatches, see ``Weighed``; 0 where nothing counts."""
    weight = sum(map(float, weights))
    return float(torch.stack(list(totals)).double().sum()) / weight if weight else 0.0


def check_numbers(network: Network, inputs: Encoded, spec: Spec, model: Model | None = None) -> None:
    """Raises UserError for missing or infinite numbers that a network does not read. model: that made it, if known."""
    if "numbers" in inputs and not network.reads_missing:
        who = "the model" if model is None else f"model '{model.name}'"
        check_finite(who, inputs["numbers"], spec.names.get("numbers", ()))


def carried(selection: Selection, state: Any) -> Any:
    """The state to give with this selection: none where none is carried or every lane is fresh,
    otherwise that of the lanes that go on, which are the first ones."""
    if selection.fresh is None or bool(selection.fresh.all()):
        return None
    lanes = len(selection.index)
    return map_state(state, lambda tensor: tensor[:lanes])
