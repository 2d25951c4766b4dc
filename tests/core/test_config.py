"""params.yaml: what YAML makes of it, and every fault told at once."""

from __future__ import annotations

import copy
import datetime
import time

import pytest

from pipeline.core.config import build_config, load_config
from pipeline.core.errors import Faults, UserError
from pipeline.core.params import parse_params, read_params
from pipeline.stages.project import shelves

TRANSLATION = {"competitions/toy/task": "translation", "competitions/toy/metric": "perplexity"}


def params() -> dict:
    return {
        "competitions": {
            "toy": {
                "source": {"name": "synthetic", "task": "linear"},
                "columns": {"id": "id", "target": "y", "types": {"x1": "number"}},
                "task": {"name": "regression", "target": "standardise"},
                "metric": "rmse",
                "split": {"name": "shuffled", "folds": 3, "seed": 0},
                "features": {"numbers": {"name": "tabular", "missing": "mean"}},
                "blend": {"name": "greedy"},
                "submission": "values",
            }
        },
        "models": {
            "toy-ridge": {
                "competition": "toy",
                "features": "numbers",
                "model": {"name": "ridge", "alpha": 1.0},
                "tune": {"trials": 3, "space": {"model.alpha": {"log_float": [0.1, 10.0]}}},
            },
            "toy-mlp": {
                "competition": "toy",
                "features": "numbers",
                "model": {"name": "mlp", "hidden": [8]},
                "fit": {"epochs": 2, "optimizer": {"name": "adam"}, "loss": "huber"},
            },
        },
    }


def put(raw: dict, key: str, value: object) -> dict:
    at = raw
    *parents, last = key.split("/")
    for parent in parents:
        at = at[parent]
    at[last] = value
    return raw


def faults(raw: dict) -> list[str]:
    with pytest.raises(Faults) as error:
        build_config(raw, shelves())
    return error.value.faults


def test_a_good_one_builds():
    config = build_config(params(), shelves())
    assert list(config.models) == ["toy-ridge", "toy-mlp"] and config.execution.threads == 1
    assert config.models_of("toy")[1].fit.loss.name == "huber"
    with pytest.raises(UserError, match="no model 'toy-rigde'; did you mean 'toy-ridge'"):
        config.model("toy-rigde")


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("competitions/toy/metric", "rsme", "competitions.toy.metric.name: no metric 'rsme'; did you mean 'rmse'?"),
        ("competitions/toy/spilt", 1, "competitions.toy.spilt: unknown key; did you mean 'split'?"),
        ("competitions/toy/split/fold", 3, "competitions.toy.split.fold: unknown key; did you mean 'folds'?"),
        (
            "competitions/toy/columns/traget",
            "y",
            "competitions.toy.columns.traget: unknown key; did you mean 'target'?",
        ),
        ("competitions/toy/columns/types/x1", "nummer", "competitions.toy.columns.types.x1: "),
        ("competitions/toy/columns", {"id": "id"}, "competitions.toy.columns.target: is needed and missing"),
        ("competitions/toy/source", None, "competitions.toy.source: is needed and missing"),
        ("competitions/toy/features", {}, "competitions.toy.features: needs a mapping with at least one name, got {}"),
        ("competitions/toy/features/A b", {"name": "tabular"}, "competitions.toy.features: a name is lower-case"),
        ("competitions/toy/split", {"name": "shuffled", "folds": 1}, "competitions.toy.split.folds: "),
        ("competitions/toy/submission", "probability", "competitions.toy.submission.format: "),
        (
            "models/toy-ridge/competition",
            "toi",
            "models.toy-ridge.competition: no competition 'toi'; did you mean 'toy'?",
        ),
        ("models/toy-ridge/competition", None, "models.toy-ridge.competition: is needed and missing"),
        ("models/toy-ridge/features", "number", "models.toy-ridge.features: no feature set 'number'"),
        ("models/toy-ridge/features", None, "models.toy-ridge.features: is needed and missing"),
        ("models/toy-ridge/features", ["numbers"], "models.toy-ridge.features: no feature set ['numbers']"),
        ("models/toy-ridge/model/alhpa", 1, "models.toy-ridge.model.alhpa: unknown key; did you mean 'alpha'?"),
        ("models/toy-ridge/model", "rigde", "models.toy-ridge.model.name: no model 'rigde'; did you mean 'ridge'?"),
        ("models/toy-ridge/fit", {"epochs": 3}, "models.toy-ridge.fit.epochs: unknown key"),
        ("models/toy-ridge/tune/space", {}, "models.toy-ridge.tune.space: needs at least one key"),
        ("models/toy-ridge/tune/trials", None, "models.toy-ridge.tune: needs trials or minutes, got neither"),
        ("models/toy-ridge/seed", "1", "models.toy-ridge.seed: needs a whole number, got '1'"),
        ("models/toy-mlp/fit/optimizer/name", "adma", "models.toy-mlp.fit.optimizer"),
        ("models/toy-mlp/fit/epochs", "many", "models.toy-mlp.fit.epochs: "),
        ("execution", {"executor": "rays"}, "execution.executor: "),
        ("modles", {}, "params.yaml.modles: unknown key; did you mean 'models'?"),
        ("models", None, "models: needs a mapping with at least one name, got None"),
    ],
)
def test_a_fault_names_its_key_and_what_would_do(key, value, told):
    found = faults(put(params(), key, value))
    assert any(fault.startswith(told) for fault in found), found
    assert all("\n" not in fault for fault in found)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"competitions/toy/metric": "accuracy"},
            "competitions.toy.metric: 'accuracy' does not suit the task 'regression'; it suits classification",
        ),
        (
            {"models/toy-ridge/model": {"name": "softmax"}, "models/toy-ridge/tune": None},
            "models.toy-ridge.model: 'softmax' does not answer the task 'regression'; it answers classification",
        ),
        (
            {"models/toy-mlp/fit/loss": "cross_entropy"},
            "models.toy-mlp.fit.loss: 'cross_entropy' does not suit the task 'regression'; "
            "use squared, absolute, huber",
        ),
        (
            {"competitions/toy/features/text": {"name": "tokens", "column": "t"}, "models/toy-mlp/features": "text"},
            "models.toy-mlp.features: 'mlp' reads numbers, and 'text' gives tokens; choose another feature set",
        ),
        (
            {
                "competitions/toy/task": "translation",
                "competitions/toy/metric": "bleu",
                "competitions/toy/blend": "greedy",
            },
            "competitions.toy.blend: 'greedy' averages numbers, and 'translation' gives none; use best",
        ),
        (
            {"competitions/toy/submission": "probabilities"},
            "competitions.toy.submission: 'probabilities' needs a task with classes, and 'regression' has none; "
            "use values",
        ),
        (
            {"competitions/toy/columns/group": "shop"},
            "competitions.toy.columns.group: the split 'shuffled' does not use it, got 'shop'; use the split grouped, "
            "or columns.drop to keep a column out of the features",
        ),
        (
            {"competitions/toy/split": "time_ordered"},
            "competitions.toy.columns.time: is needed by the split 'time_ordered' and missing",
        ),
        (
            {"competitions/toy/columns/types/id": "number"},
            "competitions.toy.columns.types.id: only features have a type, and 'id' stands in columns.id; "
            "remove one of the two",
        ),
        (
            {"models/toy-mlp/retrain": {"mode": "folds", "seeds": 2}},
            "models.toy-mlp.retrain: seeds only matter with the mode all_rows; the folds' models are trained once "
            "each, got {'mode': 'folds', 'seeds': 2}",
        ),
        (
            {"competitions/toy/blend": {"name": "greedy", "bags": 1, "fraction": 0.3, "seed": 1}},
            "competitions.toy.blend: fraction and seed only matter with several bags; set bags to 2 or more, "
            "got {'bags': 1, 'fraction': 0.3, 'seed': 1}",
        ),
        (
            {"competitions/toy/blend": {"name": "greedy", "calibration": "isotonic"}},
            "competitions.toy.blend.calibration: 'isotonic' needs a task with classes, and 'regression' has none; "
            "use auto",
        ),
        (
            {"competitions/toy/task": "language_model", "competitions/toy/blend": "stacked"},
            "competitions.toy.blend: 'stacked' does not suit the task 'language_model'; it suits regression, "
            "classification",
        ),
        (
            {
                "competitions/toy/task": {"name": "translation", "search": {"name": "beam", "coverage_penalty": 0.2}},
                "models/toy-mlp/model": {"name": "seq2seq", "attention": "none"},
            },
            "models.toy-mlp.model: 'seq2seq' has no attention here, which task.search.coverage_penalty asks; set that "
            "to 0, or choose a model that attends",
        ),
        (
            TRANSLATION | {"competitions/toy/blend": "consensus"},
            "competitions.toy.blend: 'consensus' chooses among texts, and the metric 'perplexity' asks how probable "
            "the reference is; use best or ensemble, or another metric",
        ),
        (
            TRANSLATION
            | {"models/toy-mlp/model": "seq2seq", "models/toy-mlp/fit": {"epochs": 2, "early_stopping": {}}},
            "models.toy-mlp.fit.early_stopping.monitor: score looks at answers, and the metric 'perplexity' asks how "
            "probable the reference is; use loss, which goes with it",
        ),
    ],
)
def test_parts_that_do_not_go_together_are_refused(changes, told):
    raw = params()
    for key, value in changes.items():
        put(raw, key, value)
    assert told in faults(raw)


SPLITS = {"group": "grouped", "time": "time_ordered", "fold": "column"}


def test_a_split_takes_the_column_it_splits_by_and_no_other():
    for split in shelves().splits:
        raw = put(params(), "competitions/toy/split", split)
        raw["competitions"]["toy"]["columns"] |= {"group": "g", "time": "t", "fold": "f"}
        used = next((key for key, name in SPLITS.items() if name == split), None)
        found = [fault.split(":")[0].rpartition(".")[2] for fault in faults(raw)]
        may_use = {"group"} if split == "holdout" else set()
        assert found == [key for key in SPLITS if key != used and key not in may_use]
        columns = {"id": "id", "target": "y"} | ({used: "c"} if used else {})
        assert build_config(put(raw, "competitions/toy/columns", columns), shelves())


def test_settings_to_no_effect_are_told_all_at_once():
    raw = put(params(), "competitions/toy/submission", "classes")
    columns = {"id": "id", "target": "y", "drop": ["d"], "group": "g", "fold": "f"}
    columns["types"] = {"id": "number", "y": "number", "d": "text", "g": "category", "f": "number", "x1": "number"}
    put(raw, "competitions/toy/columns", columns)
    told = [fault.split(":")[0].removeprefix("competitions.toy.") for fault in faults(raw)]
    assert told[:3] == ["submission", "columns.group", "columns.fold"]
    assert told[3:] == [f"columns.types.{name}" for name in ("id", "y", "d", "g", "f")]


def test_what_has_an_effect_is_taken():
    raw = put(params(), "competitions/toy/blend", {"name": "greedy", "bags": 2, "fraction": 0.3, "seed": 1})
    put(raw, "models/toy-mlp/retrain", {"seeds": 3})
    put(raw, "models/toy-ridge/retrain", {"mode": "folds", "seeds": 1})
    assert build_config(raw, shelves()).models["toy-mlp"].retrain.seeds == 3
    assert build_config(put(raw, "competitions/toy/blend", {"name": "greedy", "fraction": 0.5}), shelves())


@pytest.mark.parametrize("name", ["../x", "a b", "Toy", "$(x)", "a;b", "-x", "", "é", 1, None])
def test_names_that_a_shell_or_a_path_could_take_for_more_are_refused(name):
    raw = params()
    raw["competitions"][name] = raw["competitions"]["toy"]
    raw["models"][name] = raw["models"]["toy-mlp"]
    found = faults(raw)
    assert any("competitions: a name is lower-case letters" in fault and repr(name) in fault for fault in found)
    assert any("models: a name is lower-case letters" in fault and repr(name) in fault for fault in found)


def paths(value: object, at: tuple = ()):
    if at:
        yield at
    for key in value if isinstance(value, dict) else ():
        yield from paths(value[key], (*at, key))


ODD = [None, [], {}, -1, 1.5, "x", [1], {1: 2}, float("nan"), True, b"x", datetime.date(2020, 1, 1), {1}, [["a"]]]
ODD += [{"name": None}, {"name": "x", 1: 2}, "two\nlines", 10**400, "a" * 5000, ""]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_whatever_stands_where_it_builds_whole_or_is_told_in_lines(odd):
    known = shelves()
    for path in paths(params()):
        raw = copy.deepcopy(params())
        put(raw, "/".join(path), copy.deepcopy(odd))
        try:
            config = build_config(raw, known)
        except UserError as error:
            assert all(line.strip() for line in str(error).splitlines()), path
        else:
            assert list(config.models) == list(raw["models"]), path


# Text


def test_yaml_is_read_as_dvc_reads_it():
    from dvc.utils.serialize import parse_yaml

    text = (
        "a: {on: yes, off: no, y: n, true: True}\nb: [1e-3, 1E5, 1.e-3, .5, +1e-3, 12e03, 1.0e-3, '1e-3']\n"
        "c: &c {x: 1, y: 2}\nd: {<<: *c, y: 3}\ne: {<<: [*c, {x: 9, z: 4}]}\nf: [~, null, NO, Off, 0x1F, -3]\n"
        "g: [1:30, 00:00, 12:30:45.5, 064, 0o17, 1_000, -0, 1.2.3, -.inf]\n"
    )
    read = parse_params(text)
    assert read == parse_yaml(text, "params.yaml")
    assert read["a"] == {"on": "yes", "off": "no", "y": "n", True: True}
    assert read["b"][:2] == [0.001, 1e5] and read["b"][-1] == "1e-3"
    assert read["g"][:6] == ["1:30", "00:00", "12:30:45.5", 64, 15, 1000]
    assert read["d"] == {"x": 1, "y": 3} and read["e"] == {"x": 1, "y": 2, "z": 4}


def test_a_byte_order_mark_and_crlf_are_fine(tmp_path):
    (tmp_path / "params.yaml").write_bytes(b"\xef\xbb\xbfcompetitions:\r\n  a: 1\r\n")
    assert read_params(tmp_path / "params.yaml") == {"competitions": {"a": 1}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", "params.yaml line 3: the key 'a' stands twice"),
        ("a:\n  b: {c: 1, c: 2}\n", "params.yaml line 2: the key 'c' stands twice"),
        ("a: 1\n<<<<<<< HEAD\nb: 2\n=======\n", "params.yaml line .: not valid YAML: .*; git could not merge it: "),
        ("a:\n\tb: 1\n", "params.yaml line 2: not valid YAML: .*; indent with spaces, not with tabs"),
        ("a: [1, 2\nb: 3\n", "params.yaml line 2: not valid YAML: did not find expected"),
        ("a: 1\n---\nb: 2\n", "params.yaml line 2: not valid YAML: "),
        ("a: *b\n", "params.yaml line 1: not valid YAML: found undefined alias"),
        ("a: &a [*a]\n", "params.yaml line 1: not valid YAML: found unconstructable recursive node"),
        ("a: 1\nb: \x01\n", "params.yaml line 2: not valid YAML: control characters are not allowed"),
        ("a: !!python/object/apply:os.system [true]\n", "params.yaml line 1: not valid YAML: could not determine"),
        ("? [1, 2]\n: a\n", "params.yaml: holds a value that cannot be read"),
        ("a: 2020-13-45\n", "params.yaml: holds a value that cannot be read"),
        ("a: " + "9" * 5000 + "\n", "params.yaml: holds a value that cannot be read"),
        ("", "params.yaml: needs the keys competitions and models, got nothing"),
        ("# only a comment\n", "params.yaml: needs the keys competitions and models, got nothing"),
        ("- a\n", r"params.yaml: needs the keys competitions and models, got \['a'\]"),
        ("a: " + "[" * 200_000, "params.yaml line 1: nested more than 50 levels deep"),
        ("".join(" " * i + "a:\n" for i in range(500)), "params.yaml line 50: nested more than 50 levels deep"),
        (
            "a: &a ["
            + "x," * 9
            + "]\n"
            + "".join(f"{b}: &{b} [" + f"*{a}," * 9 + "]\n" for a, b in zip("abcdefgh", "bcdefghi")),
            "params.yaml line 6: more than 100000 values, aliases written out",
        ),
    ],
    ids=lambda value: repr(value)[:30] if value.startswith("params") else "",
)
def test_yaml_traps_are_one_line(text, told):
    began = time.monotonic()
    with pytest.raises(UserError, match=told) as error:
        parse_params(text)
    assert "\n" not in str(error.value) and len(str(error.value)) < 250
    assert time.monotonic() - began < 5


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(UserError, match=r"params\.yaml: not found in"):
        load_config(shelves(), tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_bytes("a: é\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"params\.yaml: is not UTF-8 text .* at byte 3"):
        load_config(shelves(), tmp_path / "params.yaml")
