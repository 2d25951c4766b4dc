"""``report.md``."""

from __future__ import annotations

import re

from page_data import DATA

from pipeline.reporting.markdown import markdown


def test_a_class_of_any_name_leaves_a_table_whole():
    limits = {"thresholds": {"a|b": 0.2, "two\nlines": 0.3, "no": 0.5}}
    blend = {**DATA["blend"], "decision": limits, "decided": 0.9}
    lines = markdown({**DATA, "blend": {**blend, "models": {"trees": blend}}}).splitlines()
    begin = lines.index("## Thresholds") + 4
    table = lines[begin : begin + 3]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in table] == [7, 7, 7]
    assert table[0] == "| Model | a\\|b | two lines | no | Without | With |"
