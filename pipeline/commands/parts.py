"""Every shelf -> what stands on it: parts, their settings with defaults and ranges, tasks, sources and file."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pipeline.commands.described import Described, described
from pipeline.core.combination import Blend
from pipeline.core.errors import UserError, did_you_mean, quoted
from pipeline.core.registry import Registry
from pipeline.core.types import Metric, Model

WIDTH = 100
SECTIONS = "section"
"""What ``params.yaml`` takes besides parts, listed as a shelf of its own."""


@dataclass(frozen=True)
class Shelf:
    """key: where ``params.yaml`` takes its parts. called: what the code calls it."""

    key: str
    parts: Mapping[str, type[Any]]
    called: str = ""


@cache
def all_shelves() -> Mapping[str, Shelf]:
    """By name, in the order of the data's way."""
    from pipeline.core import sections
    from pipeline.models.initialization import initializations
    from pipeline.sources.datasets import datasets
    from pipeline.stages.project import shelves
    from pipeline.tasks.losses import losses
    from pipeline.text.cleaning import cleaners
    from pipeline.text.n_grams import estimators
    from pipeline.text.tokenizers import tokenizers
    from pipeline.training.augmentation import augmentations
    from pipeline.training.optimizers import optimizers
    from pipeline.training.sampling import samplers
    from pipeline.training.schedules import schedules
    from pipeline.training.weighting import weightings

    on = shelves()

    def of(registry: Registry, key: str) -> Shelf:
        return Shelf(key, {name: registry.get(name) for name in registry}, registry.shelf)

    of_sections = {
        "columns": sections.Columns,
        "own_columns": sections.OwnColumns,
        "submission": sections.Submission,
        "tune": sections.Tune,
        "retrain": sections.Retrain,
        "budget": sections.Budget,
        "pseudo": sections.Pseudo,
        "execution": sections.Execution,
    }
    return {
        "source": of(on.sources, "competitions.X.source"),
        "dataset": of(datasets, "competitions.X.source.dataset"),
        "clean": of(cleaners, "competitions.X.clean"),
        "split": of(on.splits, "competitions.X.split"),
        "features": of(on.features, "competitions.X.features.SET"),
        "tokenizer": of(tokenizers, "competitions.X.features.SET.tokenizer"),
        "task": of(on.tasks, "competitions.X.task"),
        "metric": of(on.metrics, "competitions.X.metric"),
        "model": of(on.models, "models.Y.model"),
        "initialization": of(initializations, "models.Y.model.initialization"),
        "estimator": of(estimators, "models.Y.model.estimator"),
        "fit": of(on.learners, "models.Y.fit"),
        "loss": of(losses, "models.Y.fit.loss"),
        "optimizer": of(optimizers, "models.Y.fit.optimizer"),
        "schedule": of(schedules, "models.Y.fit.schedule"),
        "sampling": of(samplers, "models.Y.fit.sampling"),
        "augmentation": of(augmentations, "models.Y.fit.augmentation"),
        "weights": of(weightings, "models.Y.fit.weights"),
        "blend": of(on.blends, "competitions.X.blend"),
        "search": of(on.searches, "competitions.X.task.search"),
        "finding": of(on.findings, "competitions.X.mute"),
        SECTIONS: Shelf("competitions.X, models.Y and execution", of_sections),
    }


def run(shelf: str | None, name: str | None, markdown: bool, schema: bool) -> None:
    """Print a shelf, a part, or all. Raises UserError for a name that there is not."""
    if schema or markdown:
        if shelf is not None or (schema and markdown):
            raise UserError("parts: --markdown and --schema are of all parts, each alone; leave out the rest")
        sys.stdout.write(as_schema() if schema else as_markdown())
        return
    known = all_shelves()
    if shelf is None:
        lines = _columns({key: ", ".join(one.parts) for key, one in known.items()})
    elif shelf not in known:
        raise UserError(f"parts: no shelf {quoted(shelf)}{did_you_mean(shelf, known)}")
    elif name is None:
        parts = known[shelf].parts
        lines = _columns({part: _first_sentence(described(cls)) for part, cls in parts.items()})
    elif name not in known[shelf].parts:
        raise UserError(f"parts: no {shelf} {quoted(name)}{did_you_mean(name, known[shelf].parts)}")
    else:
        lines = part_lines(known[shelf].parts[name])
    sys.stdout.write("\n".join(lines) + "\n")


def as_markdown() -> str:
    """``docs/parts.md``."""
    lines = [
        "# All parts",
        "",
        "What `python -m pipeline parts SHELF NAME` tells of each, made by",
        "`python -m pipeline parts --markdown > docs/parts.md`. A part is written by its name, or as `{name: …}` with",
        "settings. A dotted setting is what `tune.space` and `curve --over` call it, behind the part's own key.",
        "",
        *(f"- [{name}](#{name}): {', '.join(shelf.parts)}" for name, shelf in all_shelves().items()),
    ]
    for name, shelf in all_shelves().items():
        lines += ["", f"## {name}", "", f"Stands at `{shelf.key}`."]
        for part, cls in shelf.parts.items():
            lines += ["", f"### {name} {part}", "", *part_lines(cls)]
    return "\n".join(lines) + "\n"


def as_schema() -> str:
    """``docs/params.schema.json``."""
    from pipeline.commands.params_schema import params_schema

    return json.dumps(params_schema(), indent=1, ensure_ascii=False) + "\n"


def part_lines(cls: type[Any]) -> list[str]:
    """What a part does, what it suits and where it comes from, and a line a setting."""
    told = described(cls)
    lines = [line for paragraph in told.words for line in ("", *_wrapped(paragraph))][1:]
    facts = []
    if issubclass(cls, Model | Metric | Blend) and cls.tasks is not None:
        facts.append(f"- tasks: {', '.join(cls.tasks)}")
    if issubclass(cls, Model):
        inputs = [" and ".join(sorted(some)) for some in (cls.needs, cls.or_needs) if some]
        facts += [f"- reads: {', or '.join(inputs)}", f"- fit: {cls.learner}"]
    if told.sources:
        facts.append(f"- from: {'; '.join(told.sources)}")
    facts.append(f"- file: `{told.file}`")
    settings = [line for one in _settings(told) for line in _wrapped(f"- {one}", "  ")]
    return [*lines, "", *facts, *(["", "Settings:", "", *settings] if settings else [])]


def _first_sentence(told: Described) -> str:
    return re.split(r"\. (?=[A-Z`])", told.words[0])[0].rstrip(".:")


def _settings(told: Described) -> Iterator[str]:
    """``key``: kind, range, default: words. Of settings inside one, dotted."""

    def of(schema: Mapping[str, Any], before: str) -> Iterator[str]:
        for name, body in schema["properties"].items():
            needed = name in schema.get("required", ())
            default = "needed" if needed else f"default {_value(body.get('default'))}"
            said = f": {body['description']}" if "description" in body else ""
            yield f"`{before}{name}` ({kind(body)}; {default}){said}"
            for inner in _within(body):
                if f"{inner}." not in before:  # no settings inside themselves
                    yield from of(told.nested[inner], f"{before}{name}.")

    yield from of(told.schema, "")


def _within(body: Mapping[str, Any]) -> Iterator[str]:
    """Names of the settings inside one setting."""
    if "$ref" in body:
        yield body["$ref"].rpartition("/")[2]
    inner = body.get("additionalProperties")
    for one in (*body.get("anyOf", ()), body.get("items"), inner):
        if isinstance(one, Mapping):
            yield from _within(one)


def kind(body: Mapping[str, Any]) -> str:
    """A JSON schema in words, with its range."""
    if "x-shelf" in body:
        return next(f"part of {name}" for name, shelf in all_shelves().items() if shelf.called == body["x-shelf"])
    if "$ref" in body:
        return "settings"
    if "anyOf" in body:
        return " or ".join(kind(one) for one in body["anyOf"])
    if "const" in body or "enum" in body:
        return " | ".join(_value(one) for one in body.get("enum", [body.get("const")]))
    if body.get("type") == "array":
        return _list(body)
    if body.get("type") == "object":
        inner = body.get("additionalProperties")
        return f"mapping to {kind(inner)}" if isinstance(inner, Mapping) and inner else "mapping"
    names = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true | false", "null": "none"}
    limits = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    told = [f"{words} {body[key]:g}" for key, words in limits.items() if key in body]
    return " ".join([names.get(body.get("type", ""), "anything"), " and ".join(told)]).strip()


def _list(body: Mapping[str, Any]) -> str:
    if "prefixItems" in body:
        return f"[{', '.join(map(kind, body['prefixItems']))}]"
    return f"list of {kind(body['items'])}" if body.get("items") else "list"


def _value(value: Any) -> str:
    """As ``params.yaml`` would have it."""
    if isinstance(value, str):
        return value or '""'
    return "none" if value is None else json.dumps(value, ensure_ascii=False).replace('"', "")


def _columns(rows: Mapping[str, str]) -> list[str]:
    width = max(map(len, rows)) + 2
    return [line for key, told in rows.items() for line in _wrapped(key.ljust(width) + told, " " * width)]


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
