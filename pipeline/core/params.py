"""The text of params.yaml -> plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.core.errors import UserError, not_utf8, quoted, reason_of
from pipeline.core.paths import refuse_below

BOOLEAN, WHOLE, NUMBER = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
MERGE = "tag:yaml.org,2002:merge"
DEEPEST = 50
"""Levels of nesting."""
MOST = 100_000
"""Values in the file, each alias counted with all it stands for."""


def read_params(path: Path) -> dict[str, Any]:
    """Read and parse params.yaml; raises UserError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        refuse_below()
        raise UserError(f"{path.name}: not found in {path.parent.name or '.'}; run in a Podium project") from None
    except UnicodeDecodeError as error:
        raise UserError(not_utf8(path.name, error)) from None
    return parse_params(text, path.name)


def parse_params(text: str, where: str = "params.yaml") -> dict[str, Any]:
    """Parse the text of params.yaml as DVC does (YAML 1.2), refusing keys that stand twice."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(loader):  # type: ignore[misc, valid-type]
        pass

    # PyYAML speaks YAML 1.1, where 1e-3 is text, on, off, yes, no are truth values, 1:30 is 90 and 064 is 52.
    Loader.yaml_implicit_resolvers = {
        first: [
            (tag, rule) for tag, rule in rules if tag not in (WHOLE, NUMBER) and (tag != BOOLEAN or first in "tTfF")
        ]
        for first, rules in loader.yaml_implicit_resolvers.items()
    }
    _take_numbers(Loader)
    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)
    try:
        _check_size(yaml.parse(text, Loader=loader), where)
        value = yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        raise UserError(_not_yaml(error, text, where)) from None
    except (ValueError, TypeError) as error:  # a date that is none, a list as a key
        raise UserError(f"{where}: holds a value that cannot be read ({reason_of(error, 100)})") from None
    if not isinstance(value, Mapping):
        got = "nothing" if value is None else quoted(value)
        raise UserError(f"{where}: needs the keys competitions and models, got {got}")
    return dict(value)


def _check_size(events: Iterable[Any], where: str) -> None:
    """Refuse nesting that is too much for a stack, and aliases of aliases that stand for billions."""
    import yaml

    sizes = [0]  # values so far in each collection that is open
    names: list[Any] = [None]  # their anchors
    anchors: dict[Any, int] = {}
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            sizes.append(1)
            names.append(event.anchor)
            if len(sizes) > DEEPEST:
                raise UserError(f"{where} line {_line(event)}: nested more than {DEEPEST} levels deep")
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            size = sizes.pop()
            anchors[names.pop()] = size
        elif isinstance(event, yaml.AliasEvent):
            size = anchors.get(event.anchor, 1)
        else:
            size = 1
        sizes[-1] += size
        if sizes[-1] > MOST:
            raise UserError(f"{where} line {_line(event)}: more than {MOST} values, aliases written out")


def _line(event: Any) -> int:
    return event.start_mark.line + 1


def _not_yaml(error: Any, text: str, where: str) -> str:
    """One line: the line in the file, and what is wrong there."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is not None and problem:
        line, problem = mark.line + 1, " ".join(str(problem).split())
    else:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        problem = str(getattr(error, "reason", error)).partition("\n")[0]
    lines = text.splitlines()
    tabs = line <= len(lines) and "\t" in lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip())]
    hint = "; indent with spaces, not with tabs" if tabs else ""
    if is_unmerged(text.encode()):
        hint = "; git could not merge it: choose between the lines at <<<<<<< and >>>>>>>, and take these marks out"
    return f"{where} line {line}: not valid YAML: {problem}{hint}"


def is_unmerged(content: bytes) -> bool:
    """Whether git's marks of a conflict stand in a file."""
    return b"\n<<<<<<< " in b"\n" + content


def _take_numbers(loader: Any) -> None:
    import re

    whole = re.compile(r"^([-+]?[0-9][0-9_]*|0o[0-7]+|0x[0-9a-fA-F]+)$")
    number = re.compile(
        r"^([-+]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"
    )
    for first in "-+.0123456789":
        loader.yaml_implicit_resolvers.setdefault(first, []).extend([(WHOLE, whole), (NUMBER, number)])
    loader.add_constructor(WHOLE, lambda loader, node: _whole(loader.construct_scalar(node)))


def _whole(text: str) -> int:
    return int(text.replace("_", ""), {"0o": 8, "0x": 16}.get(text[:2], 10))


def _unique_mapping(loader: Any, node: Any) -> dict[Any, Any]:
    own: set[Any] = set()
    for key_node, _ in node.value:  # before merged keys (<<) come in: those may be written over
        if key_node.tag == MERGE:
            continue
        key = loader.construct_object(key_node, deep=True)
        if key in own:
            raise UserError(f"params.yaml line {key_node.start_mark.line + 1}: the key '{key}' stands twice")
        own.add(key)
    loader.flatten_mapping(node)
    return {
        loader.construct_object(key, deep=True): loader.construct_object(value, deep=True) for key, value in node.value
    }
