"""The protocol of an estimator, and what the adapters share. The learner asks nothing more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.core.class_weights import ClassWeights, class_weights
from pipeline.core.columns import take
from pipeline.core.errors import UserError
from pipeline.core.types import Encoded, InnerFolds, Spec, Task
from pipeline.models.finite import check_finite

FLOOR = -34.5
"""Log-probability of a class that no training row has, about log(1e-15)."""


@dataclass(frozen=True)
class Plan:
    """How to fit. Estimators without iterations read nothing of it but the inner folds.

    iterations: how many at most; exactly that many without ``early_stopping``.
    early_stopping: iterations without a better validation loss after which to stop.
    loss: squared, absolute, huber (``delta`` in units of the encoded target) or cross_entropy;
        None is the task's own.
    progress: called with (iterations done, iterations in all).
    inner_folds: of the training rows, for what an estimator cross-fits on them; None leaves it to itself.
    """

    iterations: int = 1
    early_stopping: int | None = None
    loss: str | None = None
    delta: float = 1.0
    progress: Callable[[int, int], None] = lambda done, total: None
    inner_folds: InnerFolds | None = None


class Estimator(ABC):
    """A library's model behind Podium's names: a ``Fitted`` once ``fit`` or ``load`` has run.

    ``numbers`` float [rows, p] are its inputs, and where it reads them ``categories`` int64
    [rows, k]. ``target`` is float [rows, 1] in regression, int64 [rows] in classification.
    """

    rounds: int = 1
    """Iterations in the model; 1 where the library has none to choose."""

    def __init__(self, name: str, spec: Spec, task: Task, seed: int, class_weights: ClassWeights = "none") -> None:
        self.name = name
        self.spec = spec
        self.classes = spec.outputs if task.name == "classification" else None
        self.seed = seed
        self.class_weights = class_weights
        self.curves: dict[str, list[float]] = {}
        self.trace: dict[str, Any] = {}
        if self.classes is None and class_weights != "none":
            raise UserError(f"model '{name}': class_weights needs classes, and the task is {task.name}; take it out")

    @abstractmethod
    def fit(self, train: Encoded, valid: Encoded | None, plan: Plan) -> None: ...

    @abstractmethod
    def raw(self, inputs: Encoded) -> np.ndarray:
        """Regression: float64 [rows, 1] in the encoded target's units.
        Classification: log-probabilities, float64 [rows, classes], in the schema's order."""

    def steps(self) -> Any:
        """See ``Fitted``."""
        raise NotImplementedError

    @abstractmethod
    def importance(self) -> dict[str, float] | None: ...

    def contributions(self, inputs: Encoded) -> dict[str, np.ndarray] | None:
        """See ``Fitted``."""
        return None

    def saliency(self, inputs: Encoded) -> np.ndarray | None:
        """See ``Fitted``."""
        return None

    def feature_maps(self, inputs: Encoded) -> list[tuple[str, np.ndarray]] | None:
        """See ``Fitted``."""
        return None

    @abstractmethod
    def save(self, folder: Path) -> None: ...

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote; runs nothing that the files hold."""

    def targets(self, encoded: Encoded) -> np.ndarray:
        """float64 [rows], or int64 [rows] of at least two classes (else UserError)."""
        target = encoded["target"].reshape(-1)  # [rows, 1] or [rows] -> [rows]
        if self.classes is None:
            return target.astype(np.float64)
        if len(np.unique(target)) < 2:
            raise UserError(
                f"model '{self.name}': needs training rows of at least two classes, got one; use split: stratified"
            )
        return target.astype(np.int64)

    def row_weights(
        self, encoded: Encoded, target: np.ndarray, training: np.ndarray | None = None
    ) -> np.ndarray | None:
        """How much each row counts, by its own weight and by its class, float64 [rows]; None where all count alike.

        training: the training rows' classes, from which the classes' weights come; ``target`` itself if not given.
        """
        own, by_class = encoded.get("row_weight"), None
        if self.classes is not None:
            by_class = class_weights(self.class_weights, target if training is None else training, self.spec)
        if by_class is None:
            return None if own is None else own.astype(np.float64)
        return by_class[target] if own is None else by_class[target] * own  # [classes] -> [rows]

    def finite_numbers(self, inputs: Encoded) -> np.ndarray:
        """float64 [rows, p]; a missing or infinite one is a UserError naming the feature."""
        numbers = inputs["numbers"].astype(np.float64)
        check_finite(f"model '{self.name}'", numbers, self.spec.names.get("numbers") or [])
        return numbers


class ArrayEstimator(Estimator):
    """An estimator that is its arrays, kept in one safetensors file.

    file: its name. arrays: the attributes that hold them.
    """

    file: ClassVar[str]
    arrays: ClassVar[tuple[str, ...]]

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        save_file({name: np.ascontiguousarray(getattr(self, name)) for name in self.arrays}, folder / self.file)

    def load(self, folder: Path) -> None:
        from safetensors.numpy import load_file

        kept = load_file(folder / self.file)
        for name in self.arrays:
            setattr(self, name, kept[name])


def matrix(inputs: Encoded, dtype: Any = None) -> np.ndarray:
    """Numbers, then category codes: [rows, p + k] of ``dtype``, or of that of the numbers (float32 or
    float64). A copy only where there are categories; codes stay exact in float32 up to 2**24."""
    numbers, categories = inputs["numbers"], inputs.get("categories")
    if categories is None or not categories.shape[1]:
        return numbers if dtype is None else numbers.astype(dtype, copy=False)
    return np.concatenate([numbers, categories], axis=1, dtype=dtype or numbers.dtype, casting="unsafe")


def some_rows(inputs: Encoded, part: slice | np.ndarray) -> Encoded:
    return {name: take(column, part) for name, column in inputs.items()}


def matrix_names(spec: Spec) -> list[str]:
    """Names of the columns of ``matrix``."""
    return [*spec.names.get("numbers", ()), *spec.names.get("categories", ())]


def numbers_only(name: str, spec: Spec) -> None:
    """Refuse, rather than leave aside, categories that an estimator of numbers would not read."""
    if spec.shapes.get("categories", (0,))[-1]:
        raise UserError(
            f"model '{name}': reads numbers only, and its feature set also gives categories; use one_hot, or lightgbm"
        )


def log_sigmoid(x: np.ndarray) -> np.ndarray:
    return -np.logaddexp(0.0, -x)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """[rows, classes] -> [rows, classes]."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def log_binary(margin: np.ndarray) -> np.ndarray:
    """Log-odds of the second of two classes to log-probabilities: [rows] -> [rows, 2]."""
    return np.stack([log_sigmoid(-margin), log_sigmoid(margin)], axis=1)


def log_against_rest(log_odds: np.ndarray) -> np.ndarray:
    """Calibrated log-odds of each class against the rest to log-probabilities that sum to 1 (Zadrozny and Elkan 2002):
    [rows, classes] -> [rows, classes]."""
    each = log_sigmoid(log_odds)
    return each - np.logaddexp.reduce(each, axis=1, keepdims=True)  # type: ignore[no-any-return]


def spread_classes(known: np.ndarray, classes: np.ndarray, outputs: int) -> np.ndarray:
    """Log-probabilities of the classes seen in training, the others at the floor:
    [rows, seen] -> [rows, outputs]."""
    everything = np.full((len(known), outputs), FLOOR)
    everything[:, classes] = np.maximum(known, FLOOR)
    return everything


def require(library: str, *, extra: str | None = None) -> None:
    """Raises UserError where a booster's library is not installed, or does not load."""
    try:
        import_module(library)
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        package, what = (".", "it") if extra is None else (f".[{extra}]", f"the extra {extra}")
        raise UserError(
            f"model '{library}': needs {what}, and {library} is not installed; run: pip install -e '{package}'"
        ) from None
    except OSError as error:  # the wheel of LightGBM brings no OpenMP of its own
        raise UserError(
            f"model '{library}': its library does not load ({error}); install the missing system library, "
            "for libgomp.so.1 the package libgomp1 (Debian) or libgomp (Fedora)"
        ) from None
