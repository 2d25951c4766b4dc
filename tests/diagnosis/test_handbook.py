"""The page of findings is what the shelf says."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.handbook import entry, handbook
from pipeline.models import models
from pipeline.training import learners


def test_the_page_is_what_the_shelf_says():
    page = Path(__file__).parents[2] / "docs" / "findings.md"
    assert page.read_text(encoding="utf-8") == handbook(), "run `python -m pipeline findings > docs/findings.md`"


def test_every_finding_says_what_it_measures_why_what_to_do_and_how_it_is_muted():
    for code in findings:
        told = entry(findings.get(code))
        assert f"### {code}: " in told and f"mute: [{code}]" in told
        lines = {line.partition(":")[0]: line for line in told.splitlines()}
        assert all(len(lines[key]) > 30 for key in ("Measures", "Why", "Next")), code


SETTING = re.compile(r"\b(fit|model)\.(\w+)")


def test_settings_that_findings_of_training_name_are_there():
    """Advice that names a setting nobody has is no advice."""
    known = {
        "fit": fields_of(learners.get("neural")) | {"weights"},
        "model": set().union(*map(fields_of, map(models.get, models))),
    }
    for code in findings:
        named = SETTING.findall(findings.get(code).next)
        assert named or code[3] != "5", code
        assert [name for shelf, name in named if name not in known[shelf]] == [], code


def fields_of(part: type) -> set[str]:
    return {field.name for field in dataclasses.fields(part)}
