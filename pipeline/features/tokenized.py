"""What feature sets of one text column as token indices have in common."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.registry import PartOf, settings
from pipeline.core.types import FeatureSet
from pipeline.text.tokenizers import tokenizers


@settings
class Tokenized(FeatureSet):
    """tokenizer: how texts are cut, a part of the shelf ``tokenizers``; its vocabulary is of each fold's training rows.
    vocabulary: fold, of the rows that a fold trains on; train or train_and_test, of all these rows at once: then
        validation rows have fewer unknown tokens than new rows will.
    """

    column: str
    tokenizer: Annotated[Any, PartOf(tokenizers)] = Field(
        default_factory=lambda: {"name": "words", "lower": True, "joins": False}
    )
    vocabulary: Literal["fold", "train", "train_and_test"] = "fold"

    @property
    def statistics(self) -> Any:  # type: ignore[override]
        return {"fold": "training"}.get(self.vocabulary, self.vocabulary)


def refuse_longer(lengths: np.ndarray | list[int], most: int, column: str) -> None:
    """Raise UserError for the first text of a column that has more tokens than ``most``. lengths: of each text."""
    longer = np.asarray(lengths) > most
    if longer.any():
        row = int(longer.argmax())
        raise UserError(
            f"features: column '{column}', row {row + 2}: may have {most} tokens, got {int(lengths[row])}; raise "
            "maximum_length, or take longer: cut"
        )
