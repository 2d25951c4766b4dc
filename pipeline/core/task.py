"""What tasks, their targets and their losses promise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pipeline.core.class_weights import ClassWeights
from pipeline.core.schema import Batch, Encoded, Schema, Spec, TargetKind, Weighed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch


class Target(Protocol):
    """How a task's target goes into training and comes back. Fitted on a fold's training rows."""

    def encode(self, target: Any) -> np.ndarray | None:
        """Series [rows], or DataFrame [rows, targets] -> float32 [rows, 1 or targets], or int64 [rows]; None where the
        encoder makes the target."""

    def state(self) -> dict[str, Any]: ...


class Loss(ABC):
    """Settings of a loss, element by element (shelf ``losses``)."""

    name: ClassVar[str]
    delta: float = 1.0
    """Where a robust loss turns from squared to linear, in units of the encoded target."""
    label_smoothing: float = 0.0
    """Part of the target that is spread evenly over all classes."""
    class_weights: ClassWeights = "none"
    """How much the rows of each class weigh."""

    @abstractmethod
    def criterion(self, weights: torch.Tensor | None = None) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        """(output, target) -> losses in the target's shape. weights: of the classes, where it weighs them."""


class Task(ABC):
    """The loss, and how raw outputs become predictions (shelf ``tasks``)."""

    name: ClassVar[str]
    losses: ClassVar[tuple[str, ...]]
    """Names of the losses it takes, its default first."""
    numeric: ClassVar[bool]
    """Whether predictions are numbers and may be averaged."""
    target_kind: ClassVar[TargetKind]
    """What the target columns hold."""
    one: ClassVar[str | None] = None
    """Of a task with several targets: the task that each of them is."""
    teaches: ClassVar[bool] = True
    """Whether its predictions may stand for the target of rows that have none."""
    learns_target: ClassVar[bool] = True
    """Whether the target is what it learns; else it only counts what the metric divides by."""
    of_tokens: ClassVar[bool] = False
    """Whether raw answers are one a token, ``Ragged`` [rows] in place of an array; ``answer`` gives [batch, steps]."""
    search: Any = None
    """What finds raw answers, token by token (a ``Search`` of ``decoding``): a list of ``Hypothesis`` a row, the best
    first. None: they are ``answer`` of the network's output."""

    def in_training(self) -> Task:
        """Itself without the settings that shape answers only: what a fit hangs on, and is validated by."""
        return self

    def telling(self, candidates: int) -> Task:
        """Itself, so many answers of each row told at least, where a search can tell several."""
        return self

    def limits(self, batch: Batch) -> torch.Tensor:
        """Tokens that each answer may have, end marks included, int64 [batch]; of a task with a ``search``."""
        raise NotImplementedError

    @abstractmethod
    def fit_target(self, target: pd.Series | None, schema: Schema) -> Target: ...

    @abstractmethod
    def restore_target(self, state: Mapping[str, Any], schema: Schema) -> Target: ...

    @abstractmethod
    def outputs(self, schema: Schema, spec: Spec) -> int:
        """Width of the raw output a model must have."""

    @abstractmethod
    def loss(self, output: torch.Tensor, batch: Batch, criterion: Callable[..., torch.Tensor]) -> Weighed:
        """Of a minibatch, masked where the batch says so; the loop goes down the gradient of its mean."""

    def criterion(self, each: Callable[..., torch.Tensor], spec: Spec) -> Callable[..., torch.Tensor]:
        """What ``loss`` takes, of the criterion that a ``Loss`` makes."""
        return each

    def answer(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The network's output to a row of raw answer an example: [batch, ...], as it is where no task says more."""
        return output

    @abstractmethod
    def predictions(self, raw: Any, target: Any, spec: Spec) -> pd.DataFrame:
        """Raw answers [rows, ...] to the target's own units: column ``prediction``, or one
        probability column a class, named ``str(class)``, in the schema's order."""

    @abstractmethod
    def average(self, frames: Sequence[pd.DataFrame], weights: Sequence[float], target: Any) -> pd.DataFrame:
        """Weighted average of predictions (weights sum to 1), in the space the loss lives in."""

    def of_no_rows(self, target: Any) -> Any:
        """A fitted ``Target`` without what it learned of its rows: by it predictions are put together alike, whichever
        rows their models were fitted on."""
        return target

    def raw(self, predictions: pd.DataFrame, target: Any) -> np.ndarray:
        """The inverse of ``predictions``, float64 [rows, outputs]; of tasks that the blend ``stacked`` suits."""
        raise NotImplementedError

    def likelihoods(self, frames: Sequence[pd.DataFrame]) -> tuple[np.ndarray, np.ndarray | None]:
        """Log-probabilities [models, items] of what was told, and how many of them each row has (None: one); of tasks
        that the blend ``mixture`` suits."""
        raise NotImplementedError

    def sample(self, fitted: Any, encoder: Any, joined: bool) -> str:
        """Some text of a fitted model's own, of a task ``of_tokens``. encoder: of its rows. joined: see ``Learner``."""
        raise NotImplementedError

    def singles(self, spec: Spec) -> list[tuple[Task, dict[str, Any]]]:
        """Of a task with several targets: for each the task of it alone, and what its ``Spec`` has in place of
        theirs."""
        raise NotImplementedError

    def joined(self, raws: Sequence[np.ndarray]) -> np.ndarray:
        """Raw answers [rows, ...] of each of them to its own [rows, outputs]."""
        raise NotImplementedError

    def only(self, target: Any, name: str) -> Any:
        """Of a task with several targets: the fitted ``Target`` of one."""
        raise NotImplementedError

    def target_logs(self, fitted: Any, inputs: Encoded) -> dict[str, Any]:
        """Columns, by name, that predictions of encoded rows with their target have besides: how probable a fitted
        model (a ``Fitted``) has the target itself, where its answers do not tell (``LOGS``)."""
        return {}

    def target_logs_together(self, frames: Sequence[pd.DataFrame]) -> dict[str, Any]:
        """The same of models that answer together, weighed alike, from the frames of each."""
        return {}

    def look(self, fitted: Any, inputs: Encoded, raw: Any, spec: Spec) -> tuple[str, dict[str, Any]] | None:
        """Name and data of a figure of what a fitted model (a ``Fitted``) does with one of these rows, its raw answers
        known, if there is one."""
        return None

    def diagnostic(self, target: Any, predictions: pd.DataFrame) -> tuple[str, dict[str, Any]] | None:
        """Name and data of the figure that shows where predictions go wrong, if there is one."""
        return None
