"""What weights of training rows promise that make them stand for the test rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.core.schema import Encoded, Schema

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class BothFiles:
    """Typed rows, the training rows with their target.

    schema: with the columns alone that the feature set reads.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    schema: Schema


class Weighting(ABC):
    """Settings of a way to weigh training rows as the test file asks (shelf ``weightings``)."""

    name: ClassVar[str]
    by_class: ClassVar[bool] = False
    """Whether a row's weight is its class's: then each fold learns them of its own training rows."""

    @property
    def weighs(self) -> bool:
        """Whether fits take them as weights of rows."""
        return True

    @abstractmethod
    def learn(self, files: BothFiles, training: np.ndarray) -> Encoded:
        """Arrays that are kept, by name.

        training: positions of the training rows whose target may be looked at, ascending. Raises UserError where the
        files say too little.
        """

    @abstractmethod
    def weights(self, learned: Encoded, files: BothFiles) -> np.ndarray:
        """How much each training row counts among test rows, float64 [rows]."""

    def flattened(self, weights: np.ndarray) -> np.ndarray:
        """What a fit takes of them, [rows]."""
        return weights

    def ratios(self, learned: Encoded) -> np.ndarray | None:
        """By which the probability of each class is multiplied before an answer, float64 [classes]; None: by none."""
        return None

    @abstractmethod
    def told(self, learned: Encoded, schema: Schema) -> Mapping[str, Any]:
        """What a person should know of them, plain data."""
