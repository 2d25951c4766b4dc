"""New entries put into the text of params.yaml, whatever its form."""

from __future__ import annotations

import pytest
import yaml

from pipeline.commands.insert import insert
from pipeline.core.errors import UserError
from pipeline.core.params import parse_params

ALIASES = """\
competitions:
    a: {x: 1}   # four spaces

models:
    a-one:
        features: &set numbers
        fit: &fit {epochs: 3,  # few
                   batch_size: 8}
        seed: 1
    a-two:
        fit: *fit
        features: *set
    # the end
"""


def test_lines_are_only_added_where_the_last_value_is_an_alias():
    entries = {"competitions": {"toy": {"x": 2}}, "models": {"toy-a": {"y": 3}}}
    rest = iter(insert(ALIASES, entries).splitlines())
    assert all(line in rest for line in ALIASES.splitlines())  # each line, in order
    assert list(parse_params(insert(ALIASES, entries))["models"]) == ["a-one", "a-two", "toy-a"]


@pytest.mark.parametrize("models", ["models: {}  # none\r\n", "models:\r\n  b: 1\r\n"])
def test_line_ends_stay_in_every_line(models):
    added = insert(f"# of Windows\r\ncompetitions:\r\n  a: 1  # one\r\n{models}", {"models": {"toy-a": {"y": 3}}})
    assert added.count("\n") == added.count("\r\n") == added.count("\r") > 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        "competitions:\nmodels:\n",
        "competitions: {}\nmodels: {}\n",
        "models:\n# none yet\ncompetitions: ~\n",
        "competitions: {a: {x: 1}}  # one\nmodels: {b: 1}\n",
        "{competitions: {a: 1}, models: {b: 1}}",
        "competitions:\n  a: 1",
        "competitions:\n- a\n",
        "---\ncompetitions:\n  a: |\n    text\n    more\n\n\nmodels:\n  b:\n  - 1\n  -\n",
        "x: &x {y: 1}\ncompetitions:\n  a:\n    <<: *x\n    z: [1,\n      2]\n  # last\nmodels:\n  b: *x\n...\n",
        '"competitions":\n  \'a\': "one\n    two"\nmodels:\n   b: one\n    two\n',
    ],
)
def test_whatever_form_the_file_has(text):
    entry = {
        "source": {"path": "a: b # c", "on": "yes"},
        "columns": {"id": "x{y}", "drop": ["1e-3", "null", "é\n", "- a"]},
    }
    try:
        added = insert(text, {"competitions": {"toy": entry}, "models": {"toy-a": {"k": "'\"%@`"}, "toy-b": {"l": []}}})
    except UserError as error:
        assert "- a" in text and "needs a mapping of names" in str(error)
        return
    read, before = parse_params(added), parse_params(text) if yaml.safe_load(text) else {}
    assert read["competitions"] == {**(before.get("competitions") or {}), "toy": entry}
    assert read["models"] == {**(before.get("models") or {}), "toy-a": {"k": "'\"%@`"}, "toy-b": {"l": []}}
    assert added.endswith("\n")
    for line in text.splitlines():
        assert "#" not in line or line[line.index("#") :] in added
