"""Finished models are left alone while all that they came of holds, and no longer."""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from projects import Project, small_competition

from pipeline.answering.final_models import FinalModel
from pipeline.core.errors import Diverged, UserError
from pipeline.core.files import digest_files, read_json, write_json
from pipeline.core.paths import state_folder
from pipeline.stages import blend, fetch, kept, preprocess, retrain, snapshot, train, tune
from pipeline.stages.kept import KeptModels
from pipeline.stages.project import load_project
from pipeline.training import folds as training_folds


@pytest.fixture
def models(tmp_path, monkeypatch):
    """``root/<model>/`` in an empty project."""
    monkeypatch.chdir(tmp_path)

    class Models(KeptModels):
        def fill(self, model: str, identity: str | None, text: str = "fitted") -> None:
            with self.replace(model, identity) as folder:
                (folder / "members").mkdir()
                (folder / "members" / "weights").write_text(text)

        def text(self, model: str) -> str:
            return (self.root / model / "members" / "weights").read_text()

    return Models(tmp_path / "data" / "lines" / "cv")


def test_a_model_is_kept_by_what_it_came_of(models):
    assert not models.has("lines-a", "one")
    models.fill("lines-a", "one")
    assert models.has("lines-a", "one")
    assert not models.has("lines-a", "two")
    assert not KeptModels(models.root, again=True).has("lines-a", "one")


@pytest.mark.parametrize("spoil", ["changed", "deleted", "added"])
def test_a_folder_that_is_not_as_it_was_written_is_not_kept(models, spoil):
    models.fill("lines-a", "one")
    place = models.root / "lines-a" / "members" / "weights"
    if spoil == "changed":
        place.write_text("fittee")  # the store's copy may be the same file
    else:
        (place if spoil == "deleted" else place.with_name("more")).unlink(missing_ok=True)
    if spoil == "added":
        place.with_name("more").write_text("?")
    # The store mends what is only missing; a byte that is another one in both is fitted again.
    assert models.has("lines-a", "one") == (spoil != "changed")
    if spoil == "changed":
        models.fill("lines-a", "one")
    assert models.text("lines-a") == "fitted"
    assert sorted(path.name for path in place.parent.iterdir()) == ["weights"]
    models.fill("lines-a", "two")
    assert models.has("lines-a", "one") and models.text("lines-a") == "fitted"  # the store is mended as well


def test_earlier_settings_come_out_of_the_store(models):
    models.fill("lines-a", "one", "first")
    models.fill("lines-a", "two", "second")
    assert models.has("lines-a", "one") and models.text("lines-a") == "first"
    assert models.has("lines-a", "two") and models.text("lines-a") == "second"


def test_what_dvc_brought_from_its_cache_goes_into_the_store_before_it_is_replaced(models):
    models.fill("lines-a", "one", "first")
    shutil.rmtree(state_folder())
    models.fill("lines-a", "two", "second")
    assert models.has("lines-a", "one") and models.text("lines-a") == "first"


def test_nothing_is_ever_written_in_place(models, tmp_path):
    models.fill("lines-a", "one", "first")
    cache = tmp_path / "cache"  # as DVC links an output to its cache
    cache.mkdir()
    for path in (models.root / "lines-a").rglob("*"):
        if path.is_file():
            os.link(path, cache / path.name)
    before = {path.name: path.read_bytes() for path in cache.iterdir()}
    with (models.root / "lines-a" / "members" / "weights").open() as reader:
        models.fill("lines-a", "two", "second")
        models.has("lines-a", "one")
        models.fill("lines-a", None, "third")
        assert reader.read() == "first"
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == before


def test_a_fit_that_fails_leaves_the_folder_as_it_was(models):
    models.fill("lines-a", "one", "first")
    with pytest.raises(ZeroDivisionError), models.replace("lines-a", "two") as folder:
        (folder / "half").write_text("")
        raise ZeroDivisionError
    assert models.has("lines-a", "one")
    assert sorted(path.name for path in models.root.iterdir()) == ["lines-a"]
    assert sorted(path.name for path in models.root.parent.iterdir()) == ["cv"]


def test_the_folder_of_a_model_that_is_no_more_goes_but_not_what_it_cost(models):
    models.fill("lines-a", "one")
    models.fill("lines-b", "two")
    models.tidy(["lines-b"])
    assert [path.name for path in models.root.iterdir()] == ["lines-b"]
    assert models.has("lines-a", "one")


def test_files_that_a_file_manager_leaves_are_passed_over(models):
    models.fill("lines-a", "one")
    (models.root / ".DS_Store").write_text("")
    (models.root / "lines-a" / ".DS_Store").write_text("")
    (models.root / "lines-a" / "members" / "._weights").write_text("")
    models.tidy(["lines-a"])
    shutil.rmtree(state_folder())  # out of which it would come again
    assert models.has("lines-a", "one") and models.is_whole("lines-a")


def test_the_store_is_bounded_and_keeps_what_was_used_last(models, monkeypatch):
    monkeypatch.setattr(kept, "STORE_BYTES", 5000)
    for number in range(4):
        models.fill("lines-a", f"id-{number}", str(number) * 1500)
        os.utime(state_folder() / "models" / f"id-{number}", (time.time() + number - 100,) * 2)
    assert models.has("lines-a", "id-0")  # used just now
    models.tidy(["lines-a"])
    assert {path.name for path in (state_folder() / "models").iterdir()} == {"id-0", "id-2", "id-3"}


# Through the stages.


def params(**changes) -> dict:
    common = {"competition": "lines", "features": "numbers"}
    models = {"lines-ridge": {"name": "ridge"}, "lines-lasso": {"name": "lasso", "alpha": 0.01}}
    models = {key: {**common, "model": model, "retrain": {"mode": "folds"}} for key, model in models.items()}
    models = {key: {**model, **changes.get(key, {})} for key, model in models.items() if changes.get(key) != {}}
    return {
        "competitions": {"lines": small_competition(rows=60, test_rows=20)},
        "models": models,
        "execution": {"executor": "serial"},
    }


@pytest.fixture
def fitted(tmp_path, monkeypatch, capsys):
    """Runs stages with these settings; gives the models that each said it had fitted."""
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path)

    def run(settings: dict, *stages, **options) -> set[str]:
        project.params(settings)
        config = load_project()
        if not project.data("lines", "rows").exists():
            fetch.run(config, "lines")
            preprocess.run(config, "lines")
        capsys.readouterr()
        for stage in stages:
            stage.run(config, "lines", **options)
        return set(re.findall(r"^[0-9:]{8} (lines-\w+): \d+ (?:folds|fit)", capsys.readouterr().err, re.MULTILINE))

    run.project = project
    return run


BOTH = {"lines-ridge", "lines-lasso"}
STRONGER = {"model": {"name": "ridge", "alpha": 50.0}}


def test_train_fits_what_is_not_kept_alone(fitted):
    cv = fitted.project.data("lines", "cv")
    assert fitted(params(), train) == BOTH
    first = digest_files(cv)
    assert fitted(params(), train) == set()
    assert fitted(params(**{"lines-ridge": STRONGER}), train) == {"lines-ridge"}
    assert digest_files(cv) != first
    assert fitted(params(), train) == set()  # out of the store
    assert digest_files(cv) == first
    (cv / "lines-lasso" / "scores.json").write_text("{}")
    assert fitted(params(), train) == {"lines-lasso"}
    assert digest_files(cv) == first
    assert fitted(params(**{"lines-ridge": {}}), train) == set()
    assert [path.name for path in cv.iterdir()] == ["lines-lasso"]
    assert fitted(params(), train) == set()
    assert digest_files(cv) == first


def test_again_fits_what_is_kept_and_the_folds_that_wait_for_a_kill(fitted, monkeypatch):
    monkeypatch.setattr(training_folds, "KEEP_SECONDS", 0.0)
    done = []
    conclude = training_folds._conclude
    monkeypatch.setattr(training_folds, "_conclude", lambda *a: done.append(a[1].fold) or conclude(*a))
    assert fitted(params(), train) == BOTH and len(done) == 6
    assert fitted(params(), train, model="lines-ridge", again=True) == {"lines-ridge"} and len(done) == 9
    assert fitted(params(), train, again=True) == BOTH and len(done) == 15


def test_a_weight_that_comes_and_goes_fits_nothing_again(fitted):
    for stage in (train, tune, blend):
        fitted(params(), stage)
    place, final = (fitted.project.data("lines", name) for name in ("blend.json", "final"))
    known = read_json(place)

    def weighed(model: str) -> set[str]:
        write_json(place, {**known, "weights": {name: float(name == model) for name in BOTH}})
        done = fitted(params(), retrain)
        assert [path.name for path in final.iterdir()] == [model]
        return done

    assert weighed("lines-ridge") == {"lines-ridge"}
    first = digest_files(final)
    assert weighed("lines-lasso") == {"lines-lasso"}
    assert weighed("lines-ridge") == set() and digest_files(final) == first
    assert fitted(params(), retrain, model="lines-ridge", again=True) == {"lines-ridge"}
    assert digest_files(final) == first


def test_a_search_hangs_on_its_folds_and_its_own_settings(fitted):
    search = {"tune": {"trials": 2, "space": {"model.alpha": {"log_float": [0.1, 10.0]}}}}
    longer = {"tune": {**search["tune"], "trials": 3}}

    def trials(settings: dict) -> int:
        fitted(settings, train)
        fitted(settings, tune)
        return read_json(fitted.project.data("lines", "tuned", "lines-ridge", "trials.json"))["count"]

    assert trials(params(**{"lines-ridge": search})) == 2
    place = fitted.project.data("lines", "tuned")
    first = digest_files(place)
    assert trials(params(**{"lines-ridge": longer})) == 3
    assert trials(params(**{"lines-ridge": search})) == 2  # as it was; the study itself has three by now
    assert digest_files(place) == first


def test_competitions_and_models_alike_do_not_take_each_others_settings(fitted):
    """Their folds are the same, their settings and submissions hold names."""
    settings = params()
    settings["competitions"]["twins"] = settings["competitions"]["lines"]
    ridge = {**settings["models"]["lines-ridge"], "retrain": {"always": True}}
    settings["models"] = {
        "lines-ridge": ridge,
        "lines-other": ridge,
        "twins-ridge": {**ridge, "competition": "twins"},
    }
    fitted(settings, train, tune, blend, retrain)
    config = load_project()
    for stage in (fetch, preprocess, train, tune, blend, retrain):
        stage.run(config, "twins")
    for competition, model in (("lines", "lines-ridge"), ("lines", "lines-other"), ("twins", "twins-ridge")):
        data = fitted.project.data(competition)
        assert read_json(data / "tuned" / model / "settings.json")["competition"] == competition
        assert list(read_json(data / "final" / model / "answer.json")["models"]) == [model]


def test_an_edit_of_the_code_that_answers_answers_anew_and_fits_nothing(fitted, monkeypatch):
    settings = params(**{"lines-ridge": {"retrain": {"always": True}}, "lines-lasso": {}})
    stages = (train, tune, blend, retrain)
    fitted(settings, *stages)
    final = fitted.project.data("lines", "final", "lines-ridge")
    before = pd.read_parquet(final / "predictions.parquet")["prediction"]
    assert fitted(settings, retrain) == set()
    monkeypatch.setattr("pipeline.stages.retrain.stage_files", lambda *_: [])  # as other code would be
    answered = FinalModel.predict
    monkeypatch.setattr(FinalModel, "predict", lambda *a: answered(*a) * 1.5)

    def fits(*_):
        raise AssertionError("a fit")

    monkeypatch.setattr("pipeline.stages.retrain.fit_members", fits)
    assert fitted(settings, retrain) == {"lines-ridge"}
    after = pd.read_parquet(final / "predictions.parquet")["prediction"]
    np.testing.assert_allclose(after, before * 1.5, rtol=1e-12)


def test_a_search_hangs_on_the_code_of_the_metric_it_compares_by(fitted):
    tune_by = {"trials": 2, "metric": "mae", "space": {"model.alpha": {"log_float": [0.1, 10.0]}}}
    fitted.project.params(params(**{"lines-ridge": {"tune": tune_by}}))
    model = load_project().model("lines-ridge")
    assert any(path.name == "regression.py" and path.parent.name == "metrics" for path in snapshot.model_files(model))
    plain = snapshot.model_files(replace(model, tune=None))
    assert not any(path.parent.name == "metrics" for path in plain)


def test_a_fit_on_all_rows_that_diverges_is_told_with_its_model(fitted, monkeypatch):
    settings = params(**{"lines-ridge": {"retrain": {"always": True}}, "lines-lasso": {}})
    fitted(settings, train, tune, blend)
    monkeypatch.setattr("pipeline.stages.retrain.fit_together", lambda *_: [Diverged("the train loss became nan")])
    with pytest.raises(UserError, match=r"^lines-ridge: its fit on all rows: the train loss became nan; "):
        fitted(settings, retrain)
