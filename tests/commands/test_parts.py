"""``parts``: what it tells of every part is what the code takes, and docs say the same."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import jsonschema
import pytest
import yaml

from pipeline.commands import gallery
from pipeline.commands.described import described
from pipeline.commands.params_schema import params_schema
from pipeline.commands.parts import all_shelves, as_markdown, as_schema, part_lines
from pipeline.core.errors import Faults
from pipeline.core.registry import build_settings

ROOT = Path(__file__).parents[2]
PARTS = [(shelf, name) for shelf, one in all_shelves().items() for name in one.parts]
VALIDATOR = jsonschema.Draft7Validator(params_schema())


def cls_of(shelf: str, name: str) -> type:
    return all_shelves()[shelf].parts[name]


def test_the_documents_are_what_the_code_gives():
    assert (ROOT / "docs" / "parts.md").read_text(encoding="utf-8") == as_markdown(), "make docs/parts.md anew"
    assert (ROOT / "docs" / "params.schema.json").read_text(encoding="utf-8") == as_schema(), "make the schema anew"
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", (ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert named is not None and (ROOT / named[1]).exists()


def test_every_shelf_of_the_code_is_told():
    made = {
        name
        for path in (ROOT / "pipeline").rglob("*.py")
        for name in re.findall(r'^\w+ = Registry\("(.+)"\)', path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert made == {one.called for one in all_shelves().values()} - {""}


@pytest.mark.parametrize(("shelf", "name"), PARTS)
def test_a_part_is_told_whole(shelf, name):
    cls = cls_of(shelf, name)
    told = described(cls)
    assert list(told.schema["properties"]) == [field.name for field in fields(cls)]
    assert told.words, f"{shelf} {name} has no docstring"
    lines = part_lines(cls)
    for field in fields(cls):
        assert sum(line.startswith(f"- `{field.name}` (") for line in lines) == 1
    # The defaults that are told, said aloud, make the same part.
    needed = told.schema.get("required", [])
    if not needed:
        said = {key: body["default"] for key, body in told.schema["properties"].items()}
        assert build_settings(cls, said, name) == build_settings(cls, {}, name)


def ranges() -> list[tuple[str, str, str, str, float]]:
    found = []
    for shelf, name in PARTS:
        for key, body in described(cls_of(shelf, name)).schema["properties"].items():
            for one in (body, *body.get("anyOf", ())):
                found += [
                    (shelf, name, key, limit, one[limit])
                    for limit in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
                    if limit in one
                ]
    return found


def test_ranges_are_those_that_the_code_holds():
    """Beyond each end that is told a value is refused, by that very setting."""
    known = ranges()
    assert len(known) > 150
    for shelf, name, key, limit, end in known:
        beyond = end - 1 if limit == "minimum" else end + 1 if limit == "maximum" else end
        with pytest.raises(Faults) as refused:
            build_settings(cls_of(shelf, name), {key: beyond}, name)
        assert any(fault.startswith(f"{name}.{key}") for fault in refused.value.faults), (shelf, name, key)


@pytest.mark.parametrize("name", gallery.names())
def test_the_schema_takes_every_gallery_entry(name):
    entry = gallery.entry(name)
    if entry["competition"]["source"]["name"] in ("files", "parallel"):  # which `add --from` says
        entry["competition"]["source"]["path"] = "files"
    competition, models, _ = gallery.compose(name, entry, None)
    VALIDATOR.validate({"competitions": {name: competition}, "models": models})


def declared() -> dict:
    return yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def test_the_schema_takes_params_as_they_are():
    jsonschema.Draft7Validator.check_schema(params_schema())
    VALIDATOR.validate(declared())


def test_the_schema_takes_null_for_what_is_not_asked_for():
    raw = declared()
    raw["models"]["ames-mlp"] |= {"fit": {"pseudo": None, "weights": None}, "tune": None, "budget": None}
    VALIDATOR.validate(raw)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("competitions/ames/metric", "rsme"),
        ("competitions/ames/split/folds", 0),
        ("competitions/ames/columns/colour", 1),
        ("competitions/ames/mute", ["POD999"]),
        ("competitions/ames/features/numbers/name", "tabluar"),
        ("models/ames-mlp/model/hiden", [1]),
        ("models/ames-mlp/model/dropout", 1.0),
        ("models/ames-mlp/model/initialization", "zeros"),
        ("models/ames-mlp/fit/epochs", 0),
        ("models/ames-mlp/fit/iterations", 5),
        ("models/ames-lightgbm/fit/epochs", 5),
        ("models/ames-mlp/fit/optimizer", {"name": "adam", "momentun": 1}),
        ("models/ames-lasso/tune/space", {"modle.alpha": {"int": [1, 2]}}),
        ("models/ames-lasso/tune/pruner", "wilcoxson"),
        ("models/ames-lasso/sed", 1),
        ("modles", {}),
    ],
)
def test_the_schema_refuses_what_the_code_refuses(place, value):
    raw = declared()
    *path, last = place.split("/")
    node = raw
    for step in path:
        node = node[step]
    node[last] = value
    faults = list(VALIDATOR.iter_errors(raw))
    assert len(faults) >= 1
    absolute = "/".join(map(str, min(faults, key=lambda fault: len(fault.absolute_path)).absolute_path))
    assert place.startswith(absolute)


def test_the_command_tells_shelves_parts_and_settings(bench):
    assert bench.run("parts")[0] == 0
    for arguments, words in [
        (("parts", "model", "mlp"), ["`hidden` (list of whole number at least 1; default [256])", "D2L ch. 5"]),
        (("parts", "fit", "neural"), ["`early_stopping.patience` (whole number at least 1; default 10)"]),
        (("parts", "optimizer"), ["adamw", "Adam with decoupled weight decay"]),
        (("parts",), ["schedule", "flat_cosine"]),
    ]:
        bench.monkeypatch.setattr("sys.argv", ["pipeline", *arguments])
        from pipeline.__main__ import main

        with pytest.raises(SystemExit):
            main()
        told = bench.capsys.readouterr().out
        assert all(word in told for word in words), told
    for arguments, words in [
        (("parts", "modle"), ["no shelf 'modle'", "did you mean 'model'"]),
        (("parts", "model", "mpl"), ["no model 'mpl'", "did you mean 'mlp'"]),
        (("parts", "model", "--markdown"), ["leave out the rest"]),
    ]:
        code, lines = bench.run(*arguments)
        assert code == 2 and len(lines) == 1 and all(word in lines[0] for word in words), lines


def rows_of_the_book() -> list[list[str]]:
    lines = (ROOT / "docs" / "book.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [row for row in rows if row[0] != "chapter"]


def test_all_that_the_book_s_table_names_is_there():
    rows = rows_of_the_book()
    assert len(rows) > 25 and all(len(row) == 4 for row in rows)
    linked = set()
    for chapter, parts, entries, notebooks in rows:
        named = [tuple(one.split()) for one in re.findall(r"`(\w+ \w+)`", parts)]
        assert named and set(named) <= set(PARTS), (chapter, set(named) - set(PARTS))
        models = {name for shelf, name in named if shelf == "model"}
        for entry in re.findall(r"`([\w-]+)`", entries):
            assert entry in gallery.names(), (chapter, entry)
            if models:  # and has one of them
                kept = gallery.compose(entry, gallery.entry(entry), None)[1].values()
                used = {model["model"] if isinstance(model["model"], str) else model["model"]["name"] for model in kept}
                assert models & used, (chapter, entry, used)
        for notebook in re.findall(r"\]\(([^)]+)\)", notebooks):
            assert (ROOT / "docs" / notebook).resolve().exists(), (chapter, notebook)
            linked.add(Path(notebook).stem)
    assert linked == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}


def test_a_type_that_params_cannot_hold_is_no_part_of_the_schema():
    assert not re.findall(r'"x-shelf"|"prefixItems"', json.dumps(params_schema()))
