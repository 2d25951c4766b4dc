"""What a fold's model sees in images, see ``explaining.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.tasks.diagnostics import mistakes

if TYPE_CHECKING:
    from pipeline.training.explaining import Asked

WORST_IMAGES, FINEST = 8, 64
"""Images whose pixels are asked about, and pixels of a side that are kept."""
MAPS, FINEST_MAP = 8, 32
"""Maps of a convolution, and pixels of their sides that are kept."""


def pixels(asked: Asked) -> list[dict[str, Any]]:
    """Of the images that it is most wrong about, or else the first: ``row`` (among the validation rows) and ``map``
    [height][width], how much each pixel moves what was said, from 0 to 1 of the largest; none of models that cannot
    say."""
    import numpy as np

    if getattr(asked.target, "ndim", 1) > 1:
        return []
    worst = [row for row, _ in mistakes(asked.target, asked.predictions, WORST_IMAGES)]
    worst = worst or list(range(min(WORST_IMAGES, len(asked.rows))))
    maps = asked.predictor.fitted.saliency(asked.predictor.encoder.encode(asked.rows.iloc[worst]))
    if maps is None:
        return []
    step = -(-max(maps.shape[1:]) // FINEST)
    shown = maps[:, ::step, ::step] / np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12)
    return [{"row": row, "map": np.round(one, 3).tolist()} for row, one in zip(worst, shown, strict=True)]


def maps_of(asked: Asked) -> list[dict[str, Any]]:
    """Of the image that it is most wrong about, or else the first: ``row`` (among the validation rows), ``told`` and
    ``layers``: of some convolutions ``name`` and the first of their ``maps`` [height][width], each from its least, 0,
    to its largest, 255 (Zeiler and Fergus 2014); none of models that have no convolutions."""
    import numpy as np

    worst = [] if getattr(asked.target, "ndim", 1) > 1 else mistakes(asked.target, asked.predictions, 1)
    row, told = worst[0] if worst else (0, "")
    found = asked.predictor.fitted.feature_maps(asked.predictor.encoder.encode(asked.rows.iloc[[row]]))
    layers = []
    for name, maps in found or []:
        step = -(-max(maps.shape[1:]) // FINEST_MAP)
        shown = maps[:MAPS, ::step, ::step]  # [maps, height, width]
        least, most = (bound(shown, axis=(1, 2), keepdims=True) for bound in (np.min, np.max))
        levels = np.rint(255 * (shown - least) / np.maximum(most - least, 1e-12)).astype(int)
        layers.append({"name": name, "maps": levels.tolist()})
    return [{"row": row, "told": told, "layers": layers}] if layers else []
