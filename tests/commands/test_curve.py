"""``curve``: a model over a setting, or over parts of its training rows, on the competition's own folds."""

from __future__ import annotations

import json
from statistics import fmean

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from pipeline.core.files import read_json
from pipeline.diagnosis.curves import Point, told_rows, told_setting, verdicts
from pipeline.stages.project import load_project
from pipeline.tracking import journal
from pipeline.training.data import Rows
from pipeline.training.fewer_rows import FewerRows

NETWORK = {
    "competition": "toy",
    "features": "numbers",
    "model": {"name": "mlp", "hidden": [4]},
    "fit": {"epochs": 3, "batch_size": 8, "learning_rate": 0.05},
}


def rows_of(count: int, begin: int) -> pd.DataFrame:
    generator = np.random.default_rng(begin)
    rows = pd.DataFrame(generator.normal(size=(count, 3)).round(3), columns=["a", "b", "c"])
    noise = generator.normal(size=count)
    return rows.assign(id=range(begin, begin + count), y=(2 * rows["a"] - rows["b"] + noise).round(3))


@pytest.fixture
def toy(bench):
    """Preprocessed: a ridge regression and a network."""
    bench.files["train.csv"] = rows_of(90, 0).to_csv(index=False)
    bench.files["test.csv"] = rows_of(20, 100).drop(columns="y").to_csv(index=False)
    bench.files["sample_submission.csv"] = rows_of(20, 100)[["id", "y"]].to_csv(index=False)
    bench.write()
    declare(bench, **{"toy-network": NETWORK})
    bench.through("fetch", "preprocess")
    return bench


def declare(bench, **models) -> None:
    raw = yaml.safe_load((bench.root / "params.yaml").read_text())
    raw["models"] |= models
    raw["execution"] = {"executor": "serial"}
    (bench.root / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))


def stored(bench, model: str, over: str) -> dict:
    return read_json(bench.root / "data" / "toy" / "curves" / model / over / "curve.json")


def told(bench, *arguments: str) -> str:
    """What a command that goes well prints."""
    from pipeline.__main__ import main

    bench.monkeypatch.setattr("sys.argv", ["pipeline", *arguments])
    bench.capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    return bench.capsys.readouterr().out


def test_a_point_is_the_cross_validation_that_train_does(toy):
    """Of settings that train in one stack and of others: to the last digit, and the declared one is taken over."""
    text = told(toy, "curve", "toy-network", "--over", "model.hidden", "--values", "16,4")
    told(toy, "curve", "toy-network", "--over", "fit.learning_rate", "--values", "0.01,5e-2")
    curves = {over: stored(toy, "toy-network", over) for over in ("model.hidden", "fit.learning_rate")}
    assert [point["label"] for point in curves["model.hidden"]["points"]] == ["[4]", "[16]"]
    picture = toy.root / "data/toy/curves/toy-network/model.hidden/curve.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    wide = {**NETWORK, "model": {"name": "mlp", "hidden": [16]}}
    slow = {**NETWORK, "fit": {**NETWORK["fit"], "learning_rate": 0.01}}
    declare(toy, **{"toy-wide": wide, "toy-slow": slow})
    toy.through("train")
    for model, over, at in [
        ("toy-network", "model.hidden", 0),
        ("toy-wide", "model.hidden", 1),
        ("toy-slow", "fit.learning_rate", 0),
        ("toy-network", "fit.learning_rate", 1),
    ]:
        trained = read_json(toy.root / "data" / "toy" / "cv" / model / "scores.json")["folds"]
        point = curves[over]["points"][at]
        assert point["folds"] == trained, (model, over)
        assert f"{fmean(fold['valid'] for fold in trained):.5f}" in text or over != "model.hidden"


def test_what_is_known_is_not_trained_again(toy):
    declared = told(toy, "curve", "toy-ridge", "--over", "model.alpha", "--values", "0.1,1")
    toy.monkeypatch.setattr("pipeline.training.cross_validation.together", None)  # whoever trains, fails
    assert told(toy, "curve", "toy-ridge", "--over", "model.alpha", "--values", "1,0.1") == declared
    toy.monkeypatch.undo()
    toy.monkeypatch.setenv("PODIUM_TRACKING", "off")
    toy.monkeypatch.chdir(toy.root)
    toy.through("train")  # and neither are a model's own folds
    (points,) = (toy.root / ".podium" / "curves" / "toy").glob("toy-ridge")
    for point in points.iterdir():
        point.unlink()
    told(toy, "curve", "toy-ridge", "--over", "model.alpha", "--values", "0.5,1")
    assert len(list(points.iterdir())) == 1


def test_a_learning_curve_learns_from_these_rows_alone(toy):
    """Against scikit-learn on the rows of each part: nested, and scaled by themselves."""
    printed = told(toy, "curve", "toy-ridge", "--over", "rows", "--values", "1.0,0.2,0.5")
    curve = stored(toy, "toy-ridge", "rows")
    assert curve["figure"]["values"] == [12, 30, 60] and "12 rows" in printed
    config = load_project()
    competition, rows = config.competition("toy"), Rows(config.competition("toy"))
    parts = [FewerRows(competition, "numbers", part, rows) for part in (0.2, 0.5)] + [rows.data("numbers")]
    table, ridge = rows.table, make_pipeline(StandardScaler(), Ridge(alpha=1.0))
    for k in range(3):
        chosen = [set(data.training_rows(k)) for data in parts]
        assert chosen[0] < chosen[1] < chosen[2]
        valid = table[rows.fold_of_row == k]
        for data, point in zip(parts, curve["points"], strict=True):
            training = table.iloc[data.training_rows(k)]
            fitted = ridge.fit(training[["a", "b", "c"]], training["y"])
            error = root_mean_squared_error(valid["y"], fitted.predict(valid[["a", "b", "c"]]))
            assert point["folds"][k]["valid"] == pytest.approx(error, rel=1e-5)


def test_parts_of_the_rows_keep_classes_and_groups(toy):
    raw = yaml.safe_load((toy.root / "params.yaml").read_text())
    labels = pd.read_csv(toy.root / "files/train.csv").assign(y=["rare"] * 4 + ["b"] * 43 + ["c"] * 43, g=range(90))
    labels.assign(g=lambda t: t["g"] // 5).to_csv(toy.root / "files" / "train.csv", index=False)
    test = pd.read_csv(toy.root / "files" / "test.csv")
    test.assign(g=range(20)).to_csv(toy.root / "files" / "test.csv", index=False)
    pd.DataFrame({"id": test["id"], "y": "b"}).to_csv(toy.root / "files" / "sample_submission.csv", index=False)
    raw["competitions"]["toy"] |= {"task": "classification", "metric": "accuracy", "submission": "classes"}
    model = {"competition": "toy", "features": "numbers", "model": "logistic_regression"}
    raw["models"] = {"toy-classes": model}
    for split in ("stratified", "grouped"):
        raw["competitions"]["toy"]["split"] = {"name": split, "folds": 2}
        raw["competitions"]["toy"]["columns"] |= {"group": "g"} if split == "grouped" else {}
        (toy.root / "params.yaml").write_text(yaml.safe_dump(raw))
        toy.through("fetch", "preprocess")
        competition = load_project().competition("toy")
        table = Rows(competition).table
        for part in (0.1, 0.4):
            data = FewerRows(competition, "numbers", part)
            some = table.iloc[data.training_rows(0)]
            if split == "stratified":
                shares = some["y"].astype(str).value_counts() / part
                assert shares["rare"] >= 1 and shares["b"] == pytest.approx(21.5, abs=2 / part)
            else:  # of all groups but one, which the part may cut, no row is left behind
                whole = table[table["g"].isin(some["g"]) & (Rows(competition).fold_of_row != 0)]
                assert len(whole) - len(some) < 5


def test_the_report_shows_curves_and_tells_of_stale_ones(toy, undrawn):
    declare(toy, **{"toy-network": NETWORK})
    toy.through("train", "tune", "blend", "retrain", "submit")
    told(toy, "curve", "toy-ridge", "--over", "model.alpha", "--values", "0.1,1000")
    toy.through("report")
    report = toy.root / "data" / "toy" / "report"
    (curve,) = read_json(report / "report.json")["curves"]["toy-ridge"]
    assert curve["over"] == "model.alpha" and [point["verdict"] for point in curve["points"]] == ["best", "underfits"]
    page, words = (report / "index.html").read_text(), (report / "report.md").read_text()
    for sentence in curve["told"]:
        assert sentence in page and sentence in words
    assert "Training and validation rmse over model.alpha, 2 values." in page
    # The setting itself may change, the others may not.
    for alpha, solver, there in ((5.0, 0, True), (5.0, 1, False)):
        changed = {**toy.model, "model": {"name": "ridge", "alpha": alpha}, "seed": solver}
        declare(toy, **{"toy-ridge": changed})
        toy.through("report")
        written = read_json(report / "report.json")
        assert ("toy-ridge" in written["curves"]) == there
        assert any("is of other settings or data" in note for note in written["notes"]) != there


def test_it_reaches_the_tracker(toy):
    toy.monkeypatch.setenv("PODIUM_TRACKING", "record")
    told(toy, "curve", "toy-ridge", "--over", "rows")
    (path,) = (toy.root / ".podium").rglob("*.jsonl")
    records = journal.read_lines(path, 0, 1 << 24)[0]
    first = next(record for record in records if record["kind"] == "run")
    assert first["tags"]["podium.stage"] == "curve" and first["params"]["over"] == "rows"
    points = [point for record in records if record["kind"] == "metrics" for point in record["points"]]
    curve = stored(toy, "toy-ridge", "rows")
    for step, point in enumerate(curve["points"]):
        expected = fmean(fold["valid"] for fold in point["folds"])
        assert ["valid", pytest.approx(expected), step] in points
    (figure,) = [record for record in records if record["kind"] == "figure"]
    assert figure["figure"] == "over" and figure["data"] == curve["figure"]


def test_a_value_that_diverges_is_told(toy):
    text = told(toy, "curve", "toy-network", "--over", "fit.learning_rate", "--values", "0.05,1e38")
    last = stored(toy, "toy-network", "fit.learning_rate")["points"][1]
    assert last["verdict"] == "diverged" and not last["folds"] and "diverged" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("toy-rigde", "--over", "rows"), ["no model 'toy-rigde'", "did you mean 'toy-ridge'"]),
        (("toy-ridge", "--over", "model.alpa", "--values", "1,2"), ["no setting 'model.alpa'", "'model.alpha'"]),
        (("toy-ridge", "--over", "modle.alpha", "--values", "1,2"), ["rows, features, seed", "'model.alpha'"]),
        (("toy-ridge", "--over", "model.alpha"), ["needs --values"]),
        (("toy-ridge", "--over", "model.alpha", "--values", "1"), ["two values or more"]),
        (("toy-ridge", "--over", "model.alpha", "--values", "1,-2"), ["model.alpha", "greater than or equal", "-2"]),
        (("toy-ridge", "--over", "rows", "--values", "0.5,2"), ["above 0 and up to 1", "0.5,2"]),
        (("toy-ridge", "--over", "rows", "--values", "0.001,1"), ["0.001 of fold 0's 60 training rows is none"]),
        (("toy-ridge", "--over", "features", "--values", "numbers,words"), ["no feature set 'words'"]),
        (("toy-ridge", "--over", "model.alpha", "--values", "[1,2"), ["--values"]),
    ],
)
def test_what_cannot_be_drawn(toy, arguments, words):
    code, lines = toy.run("curve", *arguments)
    assert code == 2 and len(lines) == 1 and all(word in lines[0] for word in words), lines
    assert not (toy.root / "data" / "toy" / "curves").exists()


def test_it_needs_rows_of_these_settings(bench):
    bench.write()
    code, lines = bench.run("curve", "toy-ridge", "--over", "rows")
    assert code == 2 and "not preprocessed yet; run `dvc repro preprocess@toy`" in lines[0]
    bench.through("fetch", "preprocess")
    raw = yaml.safe_load((bench.root / "params.yaml").read_text())
    raw["competitions"]["toy"]["split"]["folds"] = 5
    (bench.root / "params.yaml").write_text(yaml.safe_dump(raw))
    code, lines = bench.run("curve", "toy-ridge", "--over", "rows")
    assert code == 2 and "was edited since toy was preprocessed; run `dvc repro preprocess@toy`" in lines[0]


def polynomials(degrees: list[int]) -> list[Point]:
    """Dive into Deep Learning 3.6's cubic by scikit-learn, 40 rows in five folds."""
    generator = np.random.default_rng(3)
    x = generator.uniform(-2, 2, (40, 1))
    y = 5 + 1.2 * x[:, 0] - 3.4 * x[:, 0] ** 2 / 2 + 5.6 * x[:, 0] ** 3 / 6 + generator.normal(0, 0.5, 40)
    points = []
    for degree in degrees:
        model = make_pipeline(PolynomialFeatures(degree), StandardScaler(), LinearRegression())
        scored = cross_validate(
            model, x, y, cv=KFold(5), scoring="neg_root_mean_squared_error", return_train_score=True
        )
        points.append(Point(str(degree), list(-scored["train_score"]), list(-scored["test_score"])))
    return points


def test_the_book_s_polynomials_underfit_fit_and_overfit():
    points = polynomials([1, 3, 4, 20])
    found = verdicts(points, higher_is_better=False)
    assert found == ["underfits", "best", "as good", "overfits"]
    flipped = [Point(p.label, [-v for v in p.train], [-v for v in p.valid]) for p in points]
    assert verdicts(flipped, higher_is_better=True) == found
    lines = " ".join(told_setting("degree", points, found, "rmse"))
    assert "best at 3" in lines and "1 underfits" in lines and "20 overfits" in lines and "4: no difference" in lines
    several = [points[0], Point("2", points[0].train, points[0].valid), points[1]]
    told = told_setting("degree", several, verdicts(several, higher_is_better=False), "rmse")
    assert told[1].startswith("1 and 2 underfit: training rows score worse too")
    assert verdicts([Point("x", [], []), *points[:2]], False) == ["diverged", "underfits", "best"]
    assert "try beyond it" in " ".join(told_setting("degree", points[:2], verdicts(points[:2], False), "rmse"))
    assert json.dumps(found)


def test_a_learning_curve_says_whether_rows_or_capacity_lack():
    def said(train, before, after, noise=1.1):
        folds = np.linspace(-0.01, 0.01, 5)
        points = [
            Point("30 rows", list(train + folds), list(before + folds)),
            Point("60 rows", list(train + folds), list(after + folds * noise)),
        ]
        return " ".join(told_rows(points, "rmse", False, constant=1.0))

    assert "More rows would still help" in said(0.1, 0.9, 0.7) and "It overfits" in said(0.1, 0.9, 0.7)
    flat = said(0.30, 0.33, 0.33)
    assert "would hardly help" in flat and "more capacity" in flat and "overfits" not in flat
    assert "cannot tell" in said(0.30, 0.335, 0.330, noise=-1.0)
    assert "It underfits" in said(1.1, 1.2, 1.2)
    assert "too few parts" in " ".join(told_rows([Point("30 rows", [], [])], "rmse", False, None))


def test_the_curve_of_a_model_that_is_left_out_is_told_in_words(toy, undrawn):
    declare(toy, **{"toy-network": {**NETWORK, "fit": {**NETWORK["fit"], "optimizer": "sgd", "learning_rate": 1e12}}})
    told(toy, "curve", "toy-network", "--over", "fit.learning_rate", "--values", "0.01,0.02")
    toy.through("train", "tune", "blend", "retrain", "submit", "report")
    report = toy.root / "data" / "toy" / "report"
    note = next(one for one in read_json(report / "report.json")["notes"] if one.startswith("The curve over"))
    assert note.startswith(
        "The curve over fit.learning_rate has no picture here, since toy-network is left out: fit.lear"
    )
    assert note in (report / "index.html").read_text()
