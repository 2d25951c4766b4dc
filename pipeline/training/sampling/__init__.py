"""Shelf ``samplers``: which examples, or which parts of texts, make a minibatch.

``shuffled`` deals the examples anew every epoch; ``bucketed`` does so too, and puts examples of like length into the
same minibatch. ``random`` and ``sequential`` cut texts into windows (D2L 9.3): the first deals them out at random and
each begins with no state, the second reads on where the last minibatch ended, the state carried along.
"""

from pipeline.core.registry import Registry

samplers = Registry("sampler")

from pipeline.training.sampling import sequential, shuffled, windows  # noqa: E402,F401
