"""Notebooks run from top to bottom, say what they said when they were stored, and define nothing."""

import ast
import copy
import json
import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

ROOT = Path(__file__).parents[1]
ABSOLUTE_PATH = re.compile(r"(?<![\w.<:/])/(?:[\w.-]+/)+[\w.-]+")
TIME_OF_DAY = re.compile(r"\b\d\d:\d\d:\d\d\b")


def house_prices(found):
    assert found["book_train"] == pytest.approx(0.165, abs=0.003)
    assert found["book_valid"] == pytest.approx(0.170, abs=0.003)
    assert found["ridge"] < found["ridge_on_plain_features"] < found["ridge_on_the_raw_price"]
    assert found["gain_of_the_chosen_seed"] > 0
    assert found["gain_on_other_folds"] < found["gain_of_the_chosen_seed"] / 2
    assert found["blend"] < found["best_single"] - 0.001
    assert found["blend"] < 0.118


def text(found):
    assert found["words_cleaned"] < 0.7 * found["words_raw"]
    assert found["words_seen_once"] > 0.5
    assert found["never_seen"] > 0.05
    assert found["lost_sentencepiece"] == 0
    assert found["lost_pieces"] < found["lost_words"] / 50
    assert found["length_words"] < found["length_sentencepiece"] < found["length_characters"] < found["length_pieces"]
    singles = [found[name] for name in ("logistic", "naive-bayes", "bag", "cnn")]
    assert found["best_single"] == max(singles)
    assert min(singles) > 0.785
    assert found["accuracy_of_doubles"] > found["accuracy_of_others"] + 0.02
    assert found["blend"] > found["best_single"] + 0.003


def convolution(found):
    assert found["furthest_off"] < 1e-6
    assert found["accuracy"] > 0.97
    assert found["change_average"] < found["change_max"] < found["change_pixels"]


def translation(found):
    assert found["unknown_words"] > 5 and found["unknown_pieces"] == 0
    assert found["padding_2"] < 0.7 * found["padding_1"] < found["padding_0"] / 2
    assert found["found_greedy"] < found["found_beam"] <= found["found_exact"] + 1e-3
    assert found["with attention"] > found["without attention"] + 1
    assert found["long_with attention"] > 1.5 * found["long_without attention"]


def language_models(found):
    assert -1.3 < found["zipf_slope"] < -1 and found["seen_once"] > 0.3
    assert found["unseen_5_grams"] > 0.1
    assert found["perplexity_kneser_ney"] < 0.8 * found["perplexity_add_k"]
    assert found["in_sequence"] < found["at_random"] - 0.05
    assert found["farthest_from_torch"] < 1e-6
    assert found["bits_GRU"] < found["bits_RNN"] - 0.1
    assert found["clipped"] < 2.5 < 4.66 < found["unclipped"]  # 4.66: the logarithm of the number of tokens


def fitting(found):
    assert found["train_1"] > 2 > 0.6 > found["train_3"] > found["train_10"]
    assert found["test_3"] < 0.6 < 1 < found["test_10"] and found["test_1"] > 3
    assert (found["is_underfits"], found["is_best"], found["is_overfits"]) == (1, 3, 10)
    assert found["decay_10"] < found["decay_1e-09"] / 3 and found["decay_10"] < found["decay_1000"] / 2
    assert found["largest_10"] < found["largest_0.1"] < found["largest_0.001"]
    assert found["degree-3_rows_2"] < found["degree-3_rows_1"] < found["degree-3_rows_0"]
    assert found["degree-1_rows_2"] > 0.9 * found["degree-1_rows_0"]


@dataclass(frozen=True)
class Notebook:
    """variable: names the folder of its files, which else is ``folder`` of shared/data beside the project; None where
    it needs none. tolerance: how far numbers may lie apart on another processor. tells: the facts of its story."""

    variable: str | None
    folder: str
    tolerance: float
    tells: Callable[[dict[str, float]], None]

    @property
    def there(self) -> bool:
        place = ROOT.parent / "shared" / "data" / self.folder
        return self.variable is None or Path(os.environ.get(self.variable, place), "train.csv").exists()


NOTEBOOKS = {
    "convolution": Notebook(None, "", 0.01, convolution),
    "fitting": Notebook(None, "", 0.01, fitting),
    "house_prices": Notebook("PODIUM_HOUSE_PRICES", "house_prices", 0.002, house_prices),
    "text": Notebook("PODIUM_TWEETS", "disaster_tweets", 0.006, text),
    "translation": Notebook(None, "", 2.0, translation),
    "language_models": Notebook(None, "", 0.05, language_models),
}


OF_PYTHON = ("language_models",)
"""Read what Python says of itself, which other versions of it say otherwise."""


@pytest.fixture(scope="module", params=NOTEBOOKS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def stored(name):
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


@pytest.fixture(scope="module")
def executed(name, stored):
    if not NOTEBOOKS[name].there:
        pytest.skip(f"needs the files of {NOTEBOOKS[name].folder}")
    notebook = copy.deepcopy(stored)
    place = {"metadata": {"path": str(ROOT / "notebooks")}}
    client = nbclient.NotebookClient(notebook, timeout=600, record_timing=False, coalesce_streams=True, resources=place)
    return client.execute()


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(notebook):
    """Whatever the outputs say in words, cell by cell."""
    for cell in code(notebook):
        for output in cell.outputs:
            if output.output_type == "stream":
                yield output.text
            for kind, value in output.get("data", {}).items():
                if kind.startswith("text/"):
                    yield value


def numbers(notebook):
    """What the last cell prints."""
    return json.loads(code(notebook)[-1].outputs[0].text)


def held(notebook):
    """What outputs must not hold."""
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output.text for output in outputs if output.get("name") == "stderr"]
    for text in texts(notebook):
        assert not ABSOLUTE_PATH.search(text), text
        assert not TIME_OF_DAY.search(text), text


def test_every_notebook_is_tested_and_named():
    readme = (ROOT / "notebooks" / "README.md").read_text()
    assert sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")) == sorted(NOTEBOOKS)
    for name, notebook in NOTEBOOKS.items():
        assert f"({name}.ipynb)" in readme
        assert notebook.variable is None or notebook.variable in readme


def test_the_stored_notebook_was_executed_in_order_and_says_nothing_of_where_or_when(stored):
    assert stored.metadata.kernelspec.name == "python3"
    assert [cell.execution_count for cell in code(stored)] == list(range(1, len(code(stored)) + 1))
    assert not [cell for cell in code(stored) if "execution" in cell.metadata]
    assert sum("image/png" in output.get("data", {}) for cell in code(stored) for output in cell.outputs) >= 5
    held(stored)


def test_it_defines_nothing_and_names_no_place(stored):
    for cell in code(stored):
        assert not ABSOLUTE_PATH.search(cell.source), cell.source
        if cell.source.startswith("%%"):
            continue
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        assert not [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, kinds)], cell.source


@pytest.mark.timeout(900)
def test_it_runs_and_finds_what_it_tells(name, executed):
    held(executed)
    NOTEBOOKS[name].tells(numbers(executed))


@pytest.mark.timeout(900)
def test_the_stored_numbers_are_those_the_code_gives(name, stored, executed):
    if name in OF_PYTHON and (told := stored.metadata.language_info.version) != platform.python_version():
        pytest.skip(f"its texts are the pages of Python {told}")
    assert numbers(stored) == pytest.approx(numbers(executed), abs=NOTEBOOKS[name].tolerance)
