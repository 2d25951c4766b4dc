"""One class for every shelf of parts.

A part is a pydantic dataclass: its fields are the settings a user may write in
``params.yaml``, its methods are what it does. Modules that hold parts import heavy
libraries inside the methods, so that reading a configuration stays cheap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, TypeVar, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import dataclass_transform

from pipeline.core.errors import Faults, did_you_mean, quoted

T = TypeVar("T", bound=type)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(cls: T) -> T:
    """Make a class a frozen, keyword-only settings dataclass that refuses unknown keys."""
    config = ConfigDict(extra="forbid", allow_inf_nan=False, validate_default=True, defer_build=True)
    made: Any = pydantic_dataclass(frozen=True, kw_only=True, config=config)(cls)
    return made


class Registry:
    """A shelf: names to part classes.

    >>> models = Registry("model")
    >>> @models.register("linear")
    ... @settings
    ... class Linear: ...
    >>> models.build({"name": "linear"}, "models.x.model")
    """

    def __init__(self, shelf: str):
        self.shelf = shelf
        self._parts: dict[str, type[Any]] = {}

    def register(self, name: str):
        def put(cls: T) -> T:
            if name in self._parts:
                raise ValueError(f"{self.shelf} '{name}' is on the shelf already")
            self._parts[name] = cls
            cls.name = name  # type: ignore[attr-defined]
            return cls

        return put

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._parts))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._parts  # a list, which YAML may bring, has no hash

    def get(self, name: str) -> type[Any]:
        return self._parts[name]

    def named(self, value: Any) -> type | None:
        """The class of a part whose settings may be at fault; None where it is not on the shelf."""
        name = value.get("name") if isinstance(value, Mapping) else value
        return self._parts.get(name) if isinstance(name, str) else None

    def build(self, value: str | Mapping[str, Any], where: str) -> Any:
        """Build a part from ``{"name": ..., **settings}`` or a bare name.

        where: the key in params.yaml, for messages.
        Raises Faults with every fault of this part.
        """
        raw = {"name": value} if isinstance(value, str) else value
        if not isinstance(raw, Mapping) or not isinstance(raw.get("name"), str):
            raise Faults([f"{where}: needs a name of a {self.shelf}, got {quoted(value)}{did_you_mean('', self)}"])
        name = raw["name"]
        if name not in self._parts:
            raise Faults([f"{where}.name: no {self.shelf} {quoted(name)}{did_you_mean(name, self)}"])
        return build_settings(self._parts[name], {k: v for k, v in raw.items() if k != "name"}, where)


def build_settings(cls: type, raw: Any, where: str) -> Any:
    """Validate a mapping into a settings class; raises Faults naming each key and value."""
    if raw is None:
        raw = {}
    if not isinstance(raw, Mapping):
        raise Faults([f"{where}: needs a mapping of settings, got {quoted(raw)}"])
    try:
        built: Any = TypeAdapter(cls).validate_python(dict(raw))
    except ValidationError as error:
        told = {detail["loc"][0]: None for detail in error.errors() if detail["loc"]}
        faults = [_fault(cls, detail, where) for detail in error.errors()]
        others = {key: _built_alone(cls, key, value) for key, value in raw.items() if key not in told}
        raise Faults(faults + _no_such_numbers(raw, others, where)) from None
    if wrong := _no_such_numbers(raw, built, where):
        raise Faults(wrong)
    return built


def _built_alone(cls: Any, key: str, value: Any) -> Any:
    """What one setting becomes, where the others are at fault; None where that cannot be told."""
    field = getattr(cls, "__pydantic_fields__", {}).get(key)
    if field is None:
        return None
    kind: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return None


LARGEST = 2**31 - 1
"""Whole number that every library takes: beyond it some end in errors of their own, and some count on from below 0."""


def _no_such_numbers(given: Any, built: Any, where: str) -> list[str]:
    """What pydantic takes and nobody means: true for 1 where a number stands, and whole numbers that are too large.
    Seeds may be larger, and have bounds of their own."""
    if isinstance(given, Mapping):
        inside = built.get if isinstance(built, Mapping) else lambda key: getattr(built, str(key), None)
        return [
            fault
            for key, value in given.items()
            if key != "seed" or isinstance(value, bool)
            for fault in _no_such_numbers(value, inside(key), f"{where}.{key}")
        ]
    if isinstance(given, list | tuple) and isinstance(built, list | tuple) and len(given) == len(built):
        return [fault for one, other in zip(given, built) for fault in _no_such_numbers(one, other, where)][:1]
    if isinstance(built, bool) or not isinstance(built, int | float):
        return []
    if isinstance(given, bool):
        return [f"{where}: needs a number, got {quoted(given)}"]
    if isinstance(built, int) and abs(built) > LARGEST:
        return [f"{where}: needs a whole number of at most {LARGEST}, got {quoted(given)}"]
    return []


def _fault(cls: type, detail: Any, where: str) -> str:
    location = ".".join(str(part) for part in detail["loc"])
    key = f"{where}.{location}" if location else where
    if detail["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = _keys(cls, detail["loc"][:-1])
        return f"{key}: unknown key{did_you_mean(str(detail['loc'][-1]), known)}"
    if detail["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{key}: is needed and missing"
    if detail["type"] == "tuple_type":
        return f"{key}: needs a list, such as [a, b], got {quoted(detail['input'])}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{key}: {message[0].lower()}{message[1:]}, got {quoted(detail['input'])}"


def _keys(cls: Any, place: Sequence[Any]) -> list[str]:
    """Of the settings that lie at ``place`` within those of ``cls``; none where these are no settings."""
    for name in place:
        within: Mapping[str, Any] = getattr(cls, "__pydantic_fields__", {})
        if name not in within:
            return []
        hint = within[name].annotation
        cls = next((one for one in (hint, *get_args(hint)) if is_dataclass(one)), None)
    return [one.name for one in fields(cls)] if is_dataclass(cls) else []


class PartOf:
    """Marks a settings field that holds a part itself: a name, or ``{name: ..., **settings}``.

    >>> schedule: Annotated[Any, PartOf(schedules)] = "constant"
    """

    def __init__(self, registry: Registry):
        self.registry = registry

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        dump = core_schema.plain_serializer_function_ser_schema(settings_dict)
        return core_schema.no_info_plain_validator_function(self._build, serialization=dump)

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        """For whoever describes settings: which shelf's parts it takes."""
        return {"x-shelf": self.registry.shelf}

    def _build(self, value: Any) -> Any:
        raw = {"name": value} if isinstance(value, str) else value
        if not isinstance(raw, Mapping):
            if type(value) in self.registry._parts.values():
                return value  # built already
            raise ValueError(f"needs one of {', '.join(self.registry)}")
        if not isinstance(raw.get("name"), str) or raw["name"] not in self.registry:
            raise ValueError(f"needs one of {', '.join(self.registry)}")
        # A ValidationError raised in here keeps the keys it names, below this field's own.
        cls = self.registry.get(raw["name"])
        return TypeAdapter(cls).validate_python({k: v for k, v in raw.items() if k != "name"})


def settings_dict(part: Any) -> dict[str, Any]:
    """A part as plain data, its name first; ``registry.build`` turns it back."""
    body = TypeAdapter(type(part)).dump_python(part, mode="json")
    name = getattr(type(part), "name", None)
    return {"name": name, **body} if isinstance(name, str) else body
