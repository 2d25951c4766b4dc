"""Shelf ``estimators``: how counts of n-grams become probabilities; with it the counts, the model, its ARPA file."""

from pipeline.core.registry import Registry

estimators = Registry("n-gram estimator")

from pipeline.text.n_grams import absolute_discounting, add_k, kneser_ney, maximum_likelihood  # noqa: E402,F401
