"""POD304: test rows whose answer stands in the training file."""

from __future__ import annotations

from typing import ClassVar, Literal

from pipeline.core.registry import settings
from pipeline.diagnosis.doubles import Doubles
from pipeline.diagnosis.findings import findings


@findings.register("POD304")
@settings
class DuplicatesInTest(Doubles):
    """Test rows that the training file has too, in all columns, or in all but one or but for little in their texts and
    images, where these values are too rare to meet by chance."""

    title: ClassVar[str] = "test rows stand in the training file"
    why: ClassVar[str] = (
        "Their answers are known. If folds have no such doubles, validation promises less than this test will give, "
        "and another test will not give it."
    )
    place: ClassVar[Literal["folds", "test"]] = "test"
    which: ClassVar[str] = "test rows stand in the training file"
    next: ClassVar[str] = (
        "Ask whether this is meant: rows of one thing at two times, or a file joined twice. A score on such rows is no "
        "score of what a model learned."
    )
