"""POD304: test rows whose answer stands in the training file."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.findings.duplicates_across_folds import many


@findings.register("POD304")
@settings
class DuplicatesInTest(Finding):
    """Test rows that the training file has too, in all columns or in all but one, where these values are too rare to
    meet by chance."""

    title: ClassVar[str] = "test rows stand in the training file"
    why: ClassVar[str] = (
        "Their answers are known. If folds have no such doubles, validation promises less than this test will give, "
        "and another test will not give it."
    )

    def look(self, evidence: Evidence) -> Found | None:
        known = evidence.duplicates.get("test")
        if known is None or not many(known):
            return None
        return Found(
            measured=f"{known['exact']:.1%} of test rows stand in the training file in every column, "
            f"{known['near']:.1%} in all columns but one or but for how values are written.",
            next="Ask whether this is meant: rows of one thing at two times, or a file joined twice. A score on such "
            "rows is no score of what a model learned.",
            numbers={"exact": known["exact"], "near": known["near"]},
        )
