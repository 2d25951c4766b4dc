"""Support vector regression and classification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.core.class_weights import ClassWeights
from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from pipeline.models.estimators.support_vectors import SupportVectorEstimator


@models.register("support_vectors")
@settings
class SupportVectors(Model):
    """scikit-learn's SVR and SVC.

    The regression's target is standardised inside, and answers are taken back exactly, so ``C``
    and ``epsilon`` mean the same whatever the target's units. Classification gives
    probabilities by Platt's scaling, fitted on folds within the training rows (the competition's
    split, or stratified ones where that leaves a class out); more than two classes are fitted one
    against the rest.

    gamma: of the rbf and poly kernels; scale is 1 / (p · variance of the inputs), auto 1 / p.
    epsilon: half-width, in standard deviations of the target, of the tube without loss.
    degree, coef0: of the poly kernel (gamma x·y + coef0)^degree.
    class_weights: none, balanced or ``{class: weight}``; probabilities are shifted as the weights say.
    """

    tasks: ClassVar[tuple[str, ...]] = ("regression", "classification")
    needs: ClassVar[frozenset[str]] = frozenset({"numbers"})
    learner: ClassVar[str] = "estimator"

    kernel: Literal["rbf", "linear", "poly"] = "rbf"
    C: float = Field(default=1.0, gt=0)
    epsilon: float = Field(default=0.1, ge=0)
    gamma: Literal["scale", "auto"] | Annotated[float, Field(gt=0)] = "scale"
    degree: int = Field(default=3, ge=1)
    coef0: float = 0.0
    class_weights: ClassWeights = "none"

    def build(self, spec: Spec, task: Task, seed: int) -> SupportVectorEstimator:
        from pipeline.models.estimators.support_vectors import SupportVectorEstimator

        return SupportVectorEstimator(self, spec, task, seed)
