"""Floor 4: learners, the one training loop, cross-validation, predictors, executors."""

from pipeline.core.registry import Registry

learners = Registry("learner")

from pipeline.training import estimators, neural  # noqa: E402,F401
