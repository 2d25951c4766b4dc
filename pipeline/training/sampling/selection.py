"""What a sampler gives the loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import torch

Arrays: TypeAlias = "Mapping[str, torch.Tensor]"
"""Of all examples, on the CPU. ``length`` int64 [examples]: of their ragged columns together. ``ends`` int64
[examples]: where each ends, counted in tokens from the first one's begin, where all ragged columns are as long."""


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
    """

    index: torch.Tensor
    fresh: torch.Tensor | None = None
    windows: Windows | None = None
