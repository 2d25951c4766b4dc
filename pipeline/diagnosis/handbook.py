"""The shelf of findings as a page: ``docs/findings.md``."""

from __future__ import annotations

import inspect

from pipeline.diagnosis.base import RATE, Finding
from pipeline.diagnosis.findings import findings

SECTIONS = {
    "1": "Fit",
    "2": "Shift",
    "3": "Leaks",
    "4": "Comparison",
    "5": "Training",
}
"""By the first digit of a code."""

BEGINNING = f"""# Findings

What may be the matter with a competition, its data and its models, asked of the stored files after every run. The
report, `report.json`, `report.md` and the terminal take findings from one shelf, `pipeline/diagnosis/findings/`; this
page is made of it by `python -m pipeline findings > docs/findings.md`.

*Serious*: the scores cannot be trusted. *Warning*: they are worse, or less sure, than need be. *Note*: to be known.
Findings *by chance* test for what chance gives too. Together they tell of a competition without any fault in at most
{RATE:.0%} of cases: each is told where chance alone would show it in less than its part of these.

A finding is muted by its code, and the others by chance then share its part:

```yaml
competitions:
  house_prices:
    mute: [POD401]
```
"""


def handbook() -> str:
    """All findings in Markdown: what each measures, why it matters, what to do."""
    parts, section = [BEGINNING], ""
    for code in findings:
        here = SECTIONS.get(code[3], "Others")
        if here != section:
            parts.append(f"## {here}\n")
            section = here
        parts.append(entry(findings.get(code)))
    return "\n".join(parts)


def entry(finding: type[Finding]) -> str:
    """One finding in Markdown."""
    kind = f"{finding.severity}, by chance" if finding.by_chance else finding.severity
    measures = " ".join((inspect.getdoc(finding) or "").split())
    lines = [
        f"### {finding.name}: {finding.title} ({kind})\n",
        f"Measures: {measures}\n",
        f"Why: {finding.why}\n",
        *([f"Next: {finding.next}\n"] if finding.next else []),
        f"Mute: `mute: [{finding.name}]`\n",
    ]
    return "\n".join(lines)
