"""Images as a few numbers each, of all pixels read once."""

from __future__ import annotations

import numpy as np

from pipeline.images.column import Images


def small_images(images: Images, side: int) -> np.ndarray:
    """Means of even parts, float32 [images, height, width, channels], of at most that height and width."""
    height, width, channels = images.shape_of_one
    parts = [np.empty((0, min(side, height), min(side, width), channels), dtype=np.float32)]
    for block in images.stored.blocks():
        made: np.ndarray = block.astype(np.float32)
        for axis, length in ((1, height), (2, width)):
            begins = np.arange(min(side, length)) * length // min(side, length)
            share = np.diff(np.append(begins, length)).astype(np.float32)
            made = np.add.reduceat(made, begins, axis=axis) / np.expand_dims(
                share, tuple(i for i in range(4) if i != axis)
            )
        parts.append(made)
    return np.concatenate(parts)


def image_traits(images: Images) -> dict[str, np.ndarray]:
    """How bright an image is, how far its pixels lie apart, and how far each lies from its neighbours."""
    found: list[np.ndarray] = []
    for block in images.stored.blocks():
        grey = block.mean(axis=3, dtype=np.float32)  # [images, height, width]
        steps = [np.abs(np.diff(grey, axis=axis)) for axis in (1, 2)]
        sharp = np.mean([step.mean(axis=(1, 2)) if step.size else np.zeros(len(grey)) for step in steps], axis=0)
        found.append(np.column_stack([grey.mean(axis=(1, 2)), grey.std(axis=(1, 2)), sharp]))
    table = np.concatenate(found).astype(float) if found else np.zeros((0, 3))
    return dict(zip(("brightness", "contrast", "sharpness"), table.T, strict=True))


def plain_images(images: Images) -> np.ndarray:
    """Which are of one colour, bool [images]."""
    found = [block.min(axis=(1, 2)) == block.max(axis=(1, 2)) for block in images.stored.blocks()]
    plain: np.ndarray = np.concatenate([np.zeros((0, images.shape_of_one[2]), dtype=bool), *found])
    return np.asarray(plain.all(axis=1))
