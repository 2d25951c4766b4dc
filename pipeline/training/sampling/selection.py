"""What a sampler gives the loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import torch

Arrays: TypeAlias = "Mapping[str, torch.Tensor]"
"""Of all examples, on the CPU. ``length`` int64 [examples]: of their ragged columns together; or [examples, sides], of
which the first is counted, and the others say which of equals are alike. ``ends`` int64
[examples]: where each ends, counted in tokens from the first one's begin, where all ragged columns are as long."""


def by_length(length: torch.Tensor) -> torch.Tensor:
    """The places of examples from the shortest on, int64 [examples], of equals the first one first.

    length: [examples], or [examples, sides]: those of one length are sorted by their second side, to and fro, so that
    neighbours of two lengths are alike in it too.
    """
    first = counted(length)
    if length.ndim == 1 or length.shape[1] == 1:
        return first.argsort(stable=True)
    second = length[:, 1] * (1 - 2 * (first % 2))  # [examples], negative where it goes back
    order = second.argsort(stable=True)
    return order[first[order].argsort(stable=True)]


def counted(length: torch.Tensor) -> torch.Tensor:
    """What fills a minibatch: int64 [examples]."""
    return length.unsqueeze(1).flatten(1)[:, 0]


@dataclass(frozen=True)
class Windows:
    """Parts of examples, counted in tokens from the first example's begin; int64 [batch] each.

    begins, ends: of each part. counted: from where on its tokens count; those before it are only read.
    """

    begins: torch.Tensor
    ends: torch.Tensor
    counted: torch.Tensor


@dataclass(frozen=True)
class Selection:
    """The examples of one minibatch, or parts of some; all on the CPU.

    index: int64 [batch], the examples, or those that the parts begin in.
    windows: of parts; None: whole examples.
    fresh: bool [batch], lanes whose state begins anew; None where no state is carried. All true means that the loop
        gives no state at all, so the number of lanes may change there. Elsewhere it may only shrink: then the last
        lanes have ended.
    counts: False where it only stands in for a part of a minibatch that holds nothing (``training/ranks.py``).
    last: True of the epoch's last one, see ``with_last``.
    """

    index: torch.Tensor
    fresh: torch.Tensor | None = None
    windows: Windows | None = None
    counts: bool = True
    last: bool = False


def with_last(selections: Iterable[Selection]) -> Iterator[Selection]:
    """The same, the last one told: a sampler may give fewer than it said there would be."""
    before: Selection | None = None
    for selection in selections:
        if before is not None:
            yield before
        before = selection
    if before is not None:
        yield replace(before, last=True)
