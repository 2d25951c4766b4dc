"""Findings in plain lines: at the end of a stage, in the leaderboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def finding_lines(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Two lines a finding: what was measured, and what to do."""
    lines = []
    for one in findings:
        lines.append(f"{one['code']} {one['severity']}: {one['title']}. {one['measured']}")
        lines.append(f"       -> {one['next']}")
    return lines or ["nothing found to be the matter"]


def short(model: str, competition: str) -> str:
    """A model's name without its competition's."""
    return model.removeprefix(f"{competition}-") or model
