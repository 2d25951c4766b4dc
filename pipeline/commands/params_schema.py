"""All shelves -> a JSON schema of ``params.yaml``, by which editors complete keys, show what they mean and mark faults.

It tells of single keys; what only holds of several together (a model and its task) ``check`` tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.commands.described import described
from pipeline.commands.parts import SECTIONS, all_shelves
from pipeline.core.config import COMPETITION_KEYS, MODEL_KEYS, REQUIRED_KEYS
from pipeline.core.paths import NAME_RULE
from pipeline.tuning.space import KINDS, TUNABLE

NULL = {"type": "null"}
TEXT = {"type": "string"}


def params_schema() -> dict[str, Any]:
    """Plain data, of draft 7, which editors know best."""
    definitions: dict[str, Any] = {}
    for shelf in all_shelves():
        _define(shelf, definitions)
    definitions["competition"] = _competition()
    definitions["declaration"] = _model()
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "params.yaml of Podium",
        **_mapping(
            {
                "competitions": _named("competition"),
                "models": _named("declaration"),
                "execution": _or_null(_section("execution")),
            },
            ("competitions", "models"),
        ),
        "$defs": definitions,
    }


def _define(shelf: str, definitions: dict[str, Any]) -> None:
    """Each part of the shelf, and what a key may say that takes one of them."""
    bare, parts = [], []
    for name, cls in all_shelves()[shelf].parts.items():
        told = described(cls)
        for inner, body in told.nested.items():
            if definitions.setdefault(inner, _referring(body)) != _referring(body):
                raise ValueError(f"two classes of settings are called {inner}; their names must differ")
        body = dict(_referring(told.schema))
        if told.words:
            body["description"] = " ".join(told.words)
        if shelf not in (SECTIONS, "fit"):
            body["properties"] = {"name": {"const": name}, **body["properties"]}
            body["required"] = ["name", *body.get("required", ())]
        if shelf == "fit":
            of_all = {"pseudo": _or_null(_section("pseudo")), "weights": _or_null(_ref("weights"))}
            body["properties"] = {**body["properties"], **of_all}
        definitions[f"{shelf}.{name}"] = body
        parts.append(_ref(f"{shelf}.{name}"))
        if not told.schema.get("required"):
            bare.append(name)
    if shelf not in (SECTIONS, "fit", "finding"):
        definitions[shelf] = {"anyOf": [{"enum": bare}, *parts]}


def _competition() -> dict[str, Any]:
    step = {"anyOf": [_ref("clean"), {"const": "default"}]}
    steps = {"anyOf": [{"enum": ["default", "none"]}, {"type": "array", "items": step}]}
    formats = described(all_shelves()[SECTIONS].parts["submission"]).schema["properties"]["format"]["enum"]
    keys: dict[str, Any] = {
        "source": _ref("source"),
        "columns": _section("columns"),
        "task": _ref("task"),
        "metric": _ref("metric"),
        "split": _ref("split"),
        "features": _named("features"),
        "blend": _ref("blend"),
        "submission": {"anyOf": [{"enum": formats}, _section("submission")]},
        "own_columns": _or_null({"anyOf": [TEXT, _section("own_columns")]}),
        "clean": _or_null({"anyOf": [*steps["anyOf"], {"type": "object", "additionalProperties": steps}]}),
        "mute": _or_null({"type": "array", "items": {"enum": list(all_shelves()["finding"].parts)}}),
        "guessed": {},
    }
    return _mapping({key: keys[key] for key in COMPETITION_KEYS}, REQUIRED_KEYS)


def _model() -> dict[str, Any]:
    keys: dict[str, Any] = {
        "competition": TEXT,
        "features": TEXT,
        "model": _ref("model"),
        "fit": {},
        "tune": _or_null(_section("tune")),
        "retrain": _or_null(_section("retrain")),
        "budget": _or_null(_section("budget")),
        "seed": {"type": "integer"},
    }
    models = all_shelves()["model"].parts
    fits = []
    for learner in all_shelves()["fit"].parts:
        names = {"enum": [name for name, cls in models.items() if cls.learner == learner]}
        written = {"anyOf": [names, {"type": "object", "properties": {"name": names}, "required": ["name"]}]}
        said = {"properties": {"model": written}, "required": ["model"]}
        fits.append({"if": said, "then": {"properties": {"fit": _or_null(_ref(f"fit.{learner}"))}}})
    body = _mapping({key: keys[key] for key in MODEL_KEYS}, ("competition", "features", "model"))
    return {**body, "allOf": fits}


def _section(name: str) -> dict[str, Any]:
    return _ref(f"{SECTIONS}.{name}")


def _referring(body: Any) -> Any:
    """With references in place of the names of shelves, and a search space said more exactly than its type does."""
    if isinstance(body, Mapping):
        if "x-shelf" in body:
            shelf = next(key for key, one in all_shelves().items() if one.called == body["x-shelf"])
            return {**_ref(shelf), **{key: value for key, value in body.items() if key != "x-shelf"}}
        changed = {"items" if key == "prefixItems" else key: _referring(value) for key, value in body.items()}
        if "space" in changed.get("properties", {}):
            kept = {key: value for key, value in changed["properties"]["space"].items() if key == "description"}
            changed["properties"] = {**changed["properties"], "space": {**kept, **_space()}}
        return changed
    return [_referring(one) for one in body] if isinstance(body, list) else body


def _space() -> dict[str, Any]:
    ranges = {key: {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 3} for key in KINDS}
    ranges["choice"] = {"type": "array", "minItems": 2}
    dimension = {"type": "object", "properties": ranges, "additionalProperties": False, "minProperties": 1}
    begins = "|".join(TUNABLE)
    return {
        "type": "object",
        "patternProperties": {rf"^({begins})(\.|$)": {**dimension, "maxProperties": 1}},
        "additionalProperties": False,
        "minProperties": 1,
    }


def _named(definition: str) -> dict[str, Any]:
    """Names that a person chooses, to things of one kind."""
    return {
        "type": "object",
        "patternProperties": {f"^{NAME_RULE.pattern}$": _ref(definition)},
        "additionalProperties": False,
        "minProperties": 1,
    }


def _mapping(properties: Mapping[str, Any], required: tuple[str, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _or_null(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [dict(body), NULL]}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}
