"""The logarithmic opinion pool: probabilities multiplied, each model's to a power, and scaled to sum to 1."""

from __future__ import annotations

import numpy as np


def fit_log_pool(
    logs: np.ndarray, codes: np.ndarray, *, prior: float, strength: float, non_negative: bool, biased: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Exponents and class biases of the least log loss: a logistic regression on logits whose
    coefficients are shared by the classes.

    logs: log probabilities [models, rows, classes]. codes: true class of each row, int64 [rows].
    prior, strength: adds ``strength / 2`` times the squared distance of the exponents from ``prior`` to
    the summed log loss, so that few rows leave them near it.
    Gives exponents [models] and biases [classes], the last of them 0; all 0 where not ``biased``.
    """
    from scipy.optimize import minimize

    models, rows, classes = logs.shape
    free = classes - 1 if biased else 0
    truth = np.eye(classes)[codes]  # [rows] -> [rows, classes]

    def objective(values: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean penalised loss and its gradient."""
        powers, biases = values[:models], np.zeros(classes)
        biases[:free] = values[models:]
        scores = np.tensordot(powers, logs, 1) + biases  # [models] x [models, rows, classes] -> [rows, classes]
        scores -= scores.max(axis=1, keepdims=True)
        exponentials = np.exp(scores)
        total = exponentials.sum(axis=1, keepdims=True)  # [rows, 1]
        error = exponentials / total - truth  # [rows, classes]
        away = powers - prior
        loss = np.log(total).sum() - (scores * truth).sum() + strength / 2 * away @ away
        slope = np.tensordot(logs, error, 2) + strength * away  # [models, rows, classes] x [rows, classes] -> [models]
        return loss / rows, np.concatenate([slope, error.sum(axis=0)[:free]]) / rows

    start = np.concatenate([np.full(models, prior), np.zeros(free)])
    bounds = [(0.0 if non_negative else None, None)] * models + [(None, None)] * free
    options = {"maxiter": 500, "ftol": 1e-12, "gtol": 1e-8}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    biases = np.zeros(classes)
    biases[:free] = found[models:]
    return found[:models], biases
