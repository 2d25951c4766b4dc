"""Blend ``consensus``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pipeline.blends import blends
from pipeline.blends.blending import Blending
from pipeline.core.combination import Library
from pipeline.core.registry import settings


@blends.register("consensus")
@settings
class Consensus(Blending):
    """Of all models' translations of a text the one that is most like the others (minimum Bayes risk by chrF, Kumar and
    Byrne 2004).

    The best models, equally weighed: as many as score best together, the best alone among these choices, so that on the
    rows it was chosen by it is never worse than the best model.

    most: models at most.
    candidates: texts that each model is asked for, which all vote as they are probable: the task's search tells so
        many, or as many as its ``width`` where that is less. More where the task's own ``n_best`` asks for them.
    """

    numeric: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...] | None] = ("translation",)
    tells_target: ClassVar[bool] = False

    most: int = Field(default=8, ge=1)
    candidates: int = Field(default=5, ge=1)

    def weights(self, library: Library) -> list[float]:
        losses = [library.loss(frame) for frame in library.frames]
        order = sorted(range(len(losses)), key=losses.__getitem__)[: self.most]  # of equals the first one first
        together = [losses[order[0]]]
        for count in range(2, len(order) + 1):
            frames = [library.frames[i] for i in order[:count]]
            together.append(library.loss(library.average(frames, [1 / count] * count)))
        count = together.index(min(together)) + 1
        return [1 / count if i in order[:count] else 0.0 for i in range(len(losses))]
