"""A class of settings -> what its docstring says, where its idea comes from, and its settings as a JSON schema."""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter
from pydantic_core import PydanticUndefined

from pipeline.core.registry import settings_dict

PACKAGE = Path(__file__).parents[1]
_CITED = r"(?:D2L|Dive into Deep Learning|\b(?:1[89]|20)\d\d\b)"
_IN_BRACKETS = re.compile(rf"\(([^()]*{_CITED}[^()]*)\)")
_ALONE = re.compile(r"^[A-Z][\w, ]+ (?:et al\. )?(?:19|20)\d\d(?=\.$)|\bD2L (?:ch\. )?\d+(?:\.\d+)*")


@dataclass(frozen=True)
class Described:
    """words: what it does, a paragraph each. told: setting to what its docstring says of it. sources: book chapters
    and papers. file: from the project's root. schema: of its settings, ``$ref``s to ``nested`` ones by name."""

    words: list[str]
    told: Mapping[str, str]
    sources: list[str]
    file: str
    schema: Mapping[str, Any]
    nested: Mapping[str, Mapping[str, Any]]


def described(cls: type[Any]) -> Described:
    """A part's class, or a section's."""
    words, told = _parted(cls)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a default that is a part's name is no part yet
        schema = TypeAdapter(cls).json_schema()
    classes = {cls.__name__: cls, **{one.__name__: one for one in _classes_within(cls)}}
    nested = {name: _plain(body, classes.get(name)) for name, body in schema.pop("$defs", {}).items()}
    file = Path(inspect.getfile(cls)).relative_to(PACKAGE.parent).as_posix()
    return Described(words, told, _sources(words, cls), file, _plain(schema, cls), nested)


def _parted(cls: type[Any]) -> tuple[list[str], dict[str, str]]:
    """A docstring's paragraphs, and what it says of each setting: ``key, key: words``, at the start of a line or
    behind a sentence."""
    text = inspect.cleandoc(cls.__doc__ or "").replace("``", "`")
    told: dict[str, str] = {}
    for base in reversed(cls.__bases__):
        told |= _parted(base)[1] if is_dataclass(base) else {}
    names = "|".join(map(re.escape, _fields(cls))) or "(?!)"
    entry = re.compile(rf"(?:^|(?<=\n)|(?<=[.;)] ))((?:{names})(?:, (?:{names}))*): ")
    words: list[str] = []
    for paragraph in text.split("\n\n"):
        lines = re.sub(r"\n\s+", "\n", paragraph)
        before, *found = entry.split(lines)
        if before.strip():
            words.append(" ".join(before.split()))
        for keys, said in zip(found[::2], found[1::2], strict=True):
            told.update(dict.fromkeys(keys.split(", "), " ".join(said.split()).rstrip(";")))
    return words or [_of_module(cls)], told


def _of_module(cls: type[Any]) -> str:
    """The first paragraph of its module's docstring."""
    first = (sys.modules[cls.__module__].__doc__ or "").split("\n\n")[0]
    return " ".join(first.replace("``", "`").split())


def _sources(words: list[str], cls: type[Any]) -> list[str]:
    found: dict[str, None] = {}
    for text in (*words, _of_module(cls)):
        for cited in _IN_BRACKETS.findall(text):
            pieces = [one for one in cited.split(";") if re.search(_CITED, one)]
            found |= dict.fromkeys(one.rpartition(": ")[2].strip() for one in pieces)
        found |= dict.fromkeys(_ALONE.findall(_IN_BRACKETS.sub("", text)))
    return list(found)


def _fields(cls: Any) -> Mapping[str, Any]:
    known: Mapping[str, Any] = getattr(cls, "__pydantic_fields__", {})
    return known


def _classes_within(cls: type[Any]) -> list[type[Any]]:
    """Settings classes inside the types of its settings, at any depth."""
    found: list[type[Any]] = []

    def look(hint: Any) -> None:
        if is_dataclass(hint) and isinstance(hint, type) and hint not in found:
            found.append(hint)
            for field in _fields(hint).values():
                look(field.annotation)
        for one in get_args(hint):
            look(one)

    for field in _fields(cls).values():
        look(field.annotation)
    return found


def _plain(schema: Mapping[str, Any], cls: type[Any] | None) -> dict[str, Any]:
    """Without titles; each setting with what its docstring says, and its default where pydantic leaves that out."""
    told = _parted(cls)[1] if cls is not None else {}
    properties = {}
    given = schema.get("properties", {})
    for name in sorted(given, key=list(_fields(cls)).index) if cls is not None else given:
        one = _kept(given[name])
        field = _fields(cls).get(name)
        if field is not None and field.default_factory is not None:
            one["default"] = _value(field.default_factory())
        elif field is not None and field.default is not PydanticUndefined:
            one["default"] = _value(field.default)
        properties[name] = {**one, **({"description": told[name]} if name in told else {})}
    required = [name for name in schema.get("required", ())]
    return {
        "type": "object",
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _kept(body: Any) -> Any:
    """Without titles, which say the key once more."""
    if isinstance(body, Mapping):
        plain = ("default", "enum", "const")
        return {key: value if key in plain else _kept(value) for key, value in body.items() if key != "title"}
    return [_kept(one) for one in body] if isinstance(body, list) else body


def _value(value: Any) -> Any:
    """A default as params.yaml would have it."""
    if is_dataclass(value) and not isinstance(value, type):
        return settings_dict(value)
    if isinstance(value, Mapping):
        return {key: _value(one) for key, one in value.items()}
    return [_value(one) for one in value] if isinstance(value, list | tuple) else value
