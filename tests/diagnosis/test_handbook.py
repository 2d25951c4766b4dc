"""The page of findings is what the shelf says."""

from __future__ import annotations

from pathlib import Path

from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.handbook import entry, handbook


def test_the_page_is_what_the_shelf_says():
    page = Path(__file__).parents[2] / "docs" / "findings.md"
    assert page.read_text(encoding="utf-8") == handbook(), "run `python -m pipeline findings > docs/findings.md`"


def test_every_finding_says_what_it_measures_why_and_how_it_is_muted():
    for code in findings:
        told = entry(findings.get(code))
        assert f"### {code}: " in told and f"mute: [{code}]" in told
        assert all(len(line) > 30 for line in told.splitlines() if line.startswith(("Measures:", "Why:", "Next:")))
