"""What the training loop may ask of a network besides its forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from pipeline.core.types import Batch


class Network(nn.Module):
    """What ``Model.build`` gives: ``forward(batch, state=None) -> (output, state)``, see ``training/neural.py``."""

    longest: int | None = None
    """Steps of a sequence that it knows; None: any number."""
    reads_missing: bool = False
    """Whether it knows what to do with numbers that are missing (NaN)."""
    prepares: bool = False
    """Whether it fits its beginning to the rows that it is to learn from."""

    def prepare(self, batch: Batch) -> None:
        """Do so, from all of these rows; called once, before the first epoch, where it ``prepares``."""

    def rate_factors(self) -> Mapping[str, float]:
        """By name of parameter, what its learning rate is multiplied by, where that is not 1."""
        return {}

    def undecayed(self) -> set[str]:
        """Names of matrices that do not decay (vectors never do)."""
        return set()

    @contextmanager
    def noting(self) -> Iterator[list[Tensor]]:
        """While it lasts, what each pass looks at is put into the list: [batch, steps, source steps]. Of translators
        with attention; others put nothing there."""
        yield []

    def attention(self, batch: Batch) -> Tensor | None:
        """Of a translator, what each step of a known target looks at: [batch, steps, source steps]; None: it has no
        attention."""
        return None

    def importance(self, names: Mapping[str, Sequence[str]]) -> dict[str, float] | None:
        """Of its inputs, by the names along their last dimension; None: it knows nothing of it."""
        return None
