"""The text of params.yaml -> plain data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.core.errors import UserError

BOOLEAN = "tag:yaml.org,2002:bool"


def read_params(path: Path) -> dict[str, Any]:
    """Read and parse params.yaml; raises UserError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path.name}: not found in {path.parent.name or '.'}; run in a Podium project") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path.name}: is not UTF-8 text ({error.reason} at byte {error.start})") from None
    return parse_params(text, path.name)


def parse_params(text: str, where: str = "params.yaml") -> dict[str, Any]:
    """Parse the text of params.yaml as DVC does (YAML 1.2), refusing keys that stand twice."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(loader):  # type: ignore[misc, valid-type]
        pass

    # PyYAML speaks YAML 1.1, where 1e-3 is text and on, off, yes, no are truth values.
    Loader.yaml_implicit_resolvers = {
        first: [(tag, rule) for tag, rule in rules if tag != BOOLEAN or first in "tTfF"]
        for first, rules in loader.yaml_implicit_resolvers.items()
    }
    _take_exponents(Loader)
    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)
    try:
        value = yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        raise UserError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(value, Mapping):
        raise UserError(f"{where}: needs the keys competitions and models, got {value!r}")
    return dict(value)


def _take_exponents(loader: Any) -> None:
    import re

    pattern = re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")
    for first in "-+0123456789":
        loader.yaml_implicit_resolvers.setdefault(first, []).append(("tag:yaml.org,2002:float", pattern))


def _unique_mapping(loader: Any, node: Any) -> dict[Any, Any]:
    seen: dict[Any, Any] = {}
    loader.flatten_mapping(node)
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise UserError(f"params.yaml: key '{key}' stands twice (line {key_node.start_mark.line + 1})")
        seen[key] = loader.construct_object(value_node, deep=True)
    return seen
