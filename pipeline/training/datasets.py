"""The examples of many members, each distinct set of them held once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.core.paged import zeros
from pipeline.core.types import Batch, Encoded, Spec
from pipeline.training.examples import as_tensor

if TYPE_CHECKING:
    from pipeline.training.member import Member


class Datasets:
    """Encoded sets one below the other, filled up with zeros to the widest and the longest.

    Members are told apart by the very object their job holds, so that trials on one fold share it.
    """

    def __init__(self, parts: Sequence[Encoded], widest: Spec, device: torch.device) -> None:
        distinct = list({id(part): part for part in parts}.values())
        self.longest = max((len(next(iter(part.values()))) for part in distinct), default=0)
        self._offsets = {id(part): i * self.longest for i, part in enumerate(distinct)}
        self._tensors: dict[str, Tensor] = {}
        for name in distinct[0] if distinct else ():
            width = widest.shapes.get(name, distinct[0][name].shape[1:])
            stacked = torch.from_numpy(zeros((len(distinct), self.longest, *width), distinct[0][name].dtype))
            for place, part in zip(stacked, distinct, strict=True):
                own = as_tensor(part[name])
                place[tuple(slice(length) for length in own.shape)] = own
            self._tensors[name] = stacked.flatten(0, 1).to(device)  # [sets, longest, ...] -> [sets * longest, ...]

    def _offset(self, member: Member) -> int:
        train, valid = member.job.train, member.job.valid
        return self._offsets[id(train) if id(train) in self._offsets else id(valid)]

    def batch(self, members: Sequence[Member], index: Tensor) -> Batch:
        """Each member's examples: index [members, batch] -> [members, batch, ...]."""
        offsets = torch.tensor([self._offset(member) for member in members], device=index.device)
        places = (index + offsets[:, None]).flatten()  # [members * batch]
        return {
            name: tensor.index_select(0, places).unflatten(0, index.shape) for name, tensor in self._tensors.items()
        }

    def judged_by(self, member: Member) -> Batch:
        """What outputs for a member's validation rows are judged by: ``target`` [rows, ...], and ``row_weight`` [rows]
        where they do not all count alike."""
        begin = self._offset(member)
        valid = member.job.valid
        if valid is None:
            raise ValueError("there are no validation rows")
        end = begin + len(valid["target"])
        return {name: self._tensors[name][begin:end] for name in ("target", "row_weight") if name in self._tensors}
