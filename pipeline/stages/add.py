"""A gallery entry or one's own files -> a competition and its models in params.yaml."""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.config import build_config
from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.files import write_text
from pipeline.core.params import parse_params
from pipeline.core.paths import check_name, project_root
from pipeline.stages import gallery
from pipeline.stages.project import shelves

if TYPE_CHECKING:
    from pipeline.stages.guess import Guess


def run(
    name: str, *, source: str | None, target: str | None, id: str | None, metric: str | None, minutes: float | None
) -> None:
    check_name(name, "add")
    path = project_root() / "params.yaml"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    present = parse_params(text) if text.strip() else {}
    if name in (present.get("competitions") or {}):
        raise UserError(f"add: params.yaml has a competition '{name}' already; take it out or choose another name")
    origin = _source(source)
    entry = gallery.entry(name) if name in gallery.names() else None
    if entry is None and origin is None:
        raise UserError(
            f"add: no gallery entry '{name}'{did_you_mean(name, gallery.names())}; "
            "for your own files give --from DIR or --from kaggle:SLUG"
        )
    if entry is not None and (target or id or metric):
        raise UserError(f"add: '{name}' is a gallery entry, which says its own target, id and metric")
    if entry is None:
        entry = _own(name, origin, target, id, metric)
    elif origin is not None:
        entry["competition"]["source"] = {
            **origin,
            "missing": entry["competition"]["source"].get("missing", ["", "NA"]),
        }
    elif entry["competition"]["source"]["name"] == "files":
        raise UserError(f"add: '{name}' needs its files: --from DIR or --from kaggle:SLUG")
    competition, models = gallery.compose(name, entry, minutes)
    added = _added(text, name, competition, models)
    build_config(parse_params(added), shelves())
    write_text(path, added)
    sys.stdout.write(f"params.yaml: competition {name} with {len(models)} models: {', '.join(models)}\n")
    for key, why in competition.get("guessed", {}).items():
        sys.stdout.write(f"  guessed {key}: {why}\n")
    sys.stdout.write("now: dvc repro\n")


def _source(source: str | None) -> dict[str, Any] | None:
    if source is None:
        return None
    if source.startswith("kaggle:"):
        return {"name": "kaggle", "competition": source.removeprefix("kaggle:")}
    if not Path(source).exists():
        raise UserError(f"--from: no file or folder {source!r}")
    return {"name": "files", "path": source}


def _own(
    name: str, origin: dict[str, Any] | None, target: str | None, id: str | None, metric: str | None
) -> dict[str, Any]:
    """Bring the files aside, guess, and describe the competition as a gallery entry does."""
    from pipeline.sources import sources
    from pipeline.sources.tables import find_table, read_table
    from pipeline.stages.guess import guess

    with tempfile.TemporaryDirectory() as aside:
        part = sources.build(origin or {}, f"competitions.{name}.source")
        part.fetch(Path(aside), name)
        tables = {}
        for stem in ("train", "test", "sample_submission"):
            path = find_table(Path(aside), stem)
            if path is None and stem != "sample_submission":
                raise UserError(f"--from: no {stem} file found")
            tables[stem] = read_table(path, missing=part.missing) if path else None
        found = guess(tables["train"], tables["test"], tables["sample_submission"], target=target, id=id, metric=metric)
        columns = gallery.describe(tables["train"], tables["test"], found)
    return {"competition": _competition(origin or {}, found), **columns}


def _competition(origin: Mapping[str, Any], found: Guess) -> dict[str, Any]:
    return {
        "source": dict(origin),
        "columns": found.columns,
        "task": found.task,
        "metric": found.metric,
        "split": found.split,
        "features": {},
        "blend": {"name": "greedy"},
        "submission": found.submission,
        "guessed": found.why,
    }


def _added(text: str, name: str, competition: Mapping[str, Any], models: Mapping[str, Any]) -> str:
    """params.yaml with the competition and its models put at the ends, comments kept."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text) if text.strip() else {}
    for section, items in (("competitions", {name: competition}), ("models", models)):
        if document.get(section) is None:
            document[section] = {}
        for key, body in items.items():
            if key in document[section]:
                raise UserError(f"add: params.yaml has '{section}.{key}' already; take it out first")
            document[section][key] = _flow_leaves(body)
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def _flow_leaves(value: Any, depth: int = 0) -> Any:
    """Small mappings and lists on one line, as a person would write them."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, Mapping):
        node: Any = CommentedMap({key: _flow_leaves(item, depth + 1) for key, item in value.items()})
        if depth > 0 and len(str(dict(value))) < 100:
            node.fa.set_flow_style()
        return node
    if isinstance(value, (list, tuple)):
        node = CommentedSeq([_flow_leaves(item, depth + 1) for item in value])
        node.fa.set_flow_style()
        return node
    return value
