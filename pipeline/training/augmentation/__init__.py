"""Shelf ``augmentations``: how training images are changed, anew each epoch, so that a network sees no image twice.

All work on the whole minibatch as tensors, in the units that images are stored in, 0 to 255, before a network scales
them. What each example gets follows from the fit's seed, the epoch and the example, and whom it is mixed with from the
order of the epoch's minibatches, which follows from the first two: a fit that was broken off goes on as it would have.
"""

from pipeline.core.registry import Registry

augmentations = Registry("augmentation")

from pipeline.training.augmentation import colours, erasing, geometry, mixing  # noqa: E402,F401
