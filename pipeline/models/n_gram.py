"""Model ``n_gram``: how often tokens followed each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from pipeline.core.registry import PartOf, settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models
from pipeline.text.n_grams import estimators

if TYPE_CHECKING:
    from pipeline.models.estimators.n_gram import NGramEstimator


@models.register("n_gram")
@settings
class NGram(Model):
    """A token's probability after the ``order`` - 1 tokens before it in its row (D2L 9.2), a Markov model.

    estimator: maximum_likelihood, add_k, absolute_discounting or kneser_ney (Chen and Goodman 1998).
    """

    tasks: ClassVar[tuple[str, ...]] = ("language_model",)
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "labels"})
    learner: ClassVar[str] = "estimator"
    weighs_rows: ClassVar[bool] = False  # its discounts are of whole counts

    order: int = Field(default=5, ge=1, le=20)
    estimator: Annotated[Any, PartOf(estimators)] = "kneser_ney"

    def build(self, spec: Spec, task: Task, seed: int) -> NGramEstimator:
        from pipeline.models.estimators.n_gram import NGramEstimator

        return NGramEstimator(self.name, spec, task, seed, self.order, self.estimator)
