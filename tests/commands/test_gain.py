"""``gain``: whether one's own columns and rows from elsewhere help, told on folds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import ttest_1samp

from pipeline.__main__ import main
from pipeline.answering.gains import chance, told_gain
from pipeline.metrics import metrics

OWN = "import pandas as pd\n\n\ndef columns(rows):\n    return pd.DataFrame({'product': rows['a'] * rows['b']})\n"


def rows_of(count: int, begin: int) -> pd.DataFrame:
    generator = np.random.default_rng(begin)
    rows = pd.DataFrame({"id": range(begin, begin + count), "a": generator.normal(size=count).round(3)})
    rows["b"] = generator.normal(size=count).round(3)
    return rows.assign(y=(3 * rows["a"] * rows["b"] + rows["a"] + generator.normal(size=count)).round(3))


def test_what_helps_is_told_and_nothing_changes(bench, capsys, tmp_path):
    train = rows_of(60, 0)
    bench.files["train.csv"] = train.to_csv(index=False)
    bench.files["test.csv"] = rows_of(20, 100).drop(columns="y").to_csv(index=False)
    bench.files["sample_submission.csv"] = rows_of(20, 100)[["id", "y"]].to_csv(index=False)
    # Rows that say the opposite, which hurts.
    bench.files["other.csv"] = rows_of(200, 200).assign(y=lambda t: -t["y"]).to_csv(index=False)
    bench.competition["source"] |= {"extra": ["other.csv"]}
    bench.competition["own_columns"] = "pipeline/features/own/mine.py"
    bench.write()
    (bench.root / "pipeline/features/own").mkdir(parents=True)
    (bench.root / "pipeline/features/own/mine.py").write_text(OWN)
    before = sorted(str(path) for path in bench.root.rglob("*"))
    bench.monkeypatch.setattr("sys.argv", ["pipeline", "gain", "toy"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    own, extra = capsys.readouterr().out.splitlines()
    assert own.startswith("own_columns (toy-ridge): rmse") and "of 3 folds" in own
    assert extra.startswith("extra (toy-ridge): rmse") and "better in 0 of 3 folds" in extra
    assert sorted(str(path) for path in bench.root.rglob("*")) == before


def test_a_source_outside_the_project_and_a_declared_own_column(bench, capsys):
    bench.files["train.csv"] = rows_of(60, 0).to_csv(index=False)
    bench.files["test.csv"] = rows_of(20, 100).drop(columns="y").to_csv(index=False)
    bench.files["sample_submission.csv"] = rows_of(20, 100)[["id", "y"]].to_csv(index=False)
    bench.competition["own_columns"] = "pipeline/features/own/mine.py"
    bench.competition["columns"]["types"] = {"product": "number", "a": "number"}
    bench.competition["source"]["path"] = f"../{bench.root.name}/files"
    bench.write()
    (bench.root / "pipeline/features/own").mkdir(parents=True)
    (bench.root / "pipeline/features/own/mine.py").write_text(OWN)
    bench.monkeypatch.setattr("sys.argv", ["pipeline", "gain", "toy"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "better in 3 of 3 folds" in capsys.readouterr().out


def test_files_beside_the_project_that_settings_name(bench):
    rows = pd.DataFrame({"id": range(60), "text": [f"{'good' if i % 2 else 'bad'} film {i}" for i in range(60)]})
    bench.files["train.csv"] = rows.assign(y=rows["id"] % 2, w=1.0).to_csv(index=False)
    bench.files["test.csv"] = rows.assign(id=rows["id"] + 60).to_csv(index=False)
    bench.files["sample_submission.csv"] = rows.assign(id=rows["id"] + 60, y=0)[["id", "y"]].to_csv(index=False)
    bench.competition |= {"task": {"name": "classification"}, "metric": "log_loss"}
    bench.competition |= {"features": {"numbers": {"name": "tokens", "column": "text"}}, "submission": "probabilities"}
    bench.competition["columns"] |= {"weight": "w", "types": {"text": "text"}}
    bench.model |= {
        "model": {"name": "bag_of_embeddings", "embedding": 2, "vectors": "../words.txt"},
        "fit": {"epochs": 1},
    }
    (bench.root.parent / "words.txt").write_text("good 1 0\nbad 0 1\n")
    bench.write()
    assert bench.run("gain", "toy")[0] == 0


def test_rows_from_elsewhere_whose_mark_is_declared(bench, capsys):
    bench.files["train.csv"] = rows_of(60, 0).to_csv(index=False)
    bench.files["test.csv"] = rows_of(20, 100).drop(columns="y").to_csv(index=False)
    bench.files["sample_submission.csv"] = rows_of(20, 100)[["id", "y"]].to_csv(index=False)
    bench.files["other.csv"] = rows_of(20, 200).to_csv(index=False)
    bench.competition["source"] |= {"extra": ["other.csv"], "mark": "elsewhere"}
    bench.competition["columns"]["types"] = {"elsewhere": "number", "a": "number"}
    bench.write()
    bench.monkeypatch.setattr("sys.argv", ["pipeline", "gain", "toy"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert capsys.readouterr().out.startswith("extra (toy-ridge): rmse")


def test_weights_and_a_model_of_pseudo_labels(bench, capsys):
    train = rows_of(60, 0).assign(w=[0.0] * 3 + [1.0] * 57)
    train.loc[:2, "y"] = 1000.0  # which weigh nothing
    bench.files["train.csv"] = train.to_csv(index=False)
    bench.files["test.csv"] = rows_of(20, 100).drop(columns="y").to_csv(index=False)
    bench.files["sample_submission.csv"] = rows_of(20, 100)[["id", "y"]].to_csv(index=False)
    bench.competition["columns"] |= {"weight": "w", "formats": {"w": "1,234.5"}}
    bench.competition |= {"metric": "mae", "split": {"name": "contiguous", "folds": 3}}
    bench.write()
    declared = yaml.safe_load((bench.root / "params.yaml").read_text())
    declared["models"]["toy-second"] = {**bench.model, "fit": {"pseudo": {}}}
    (bench.root / "params.yaml").write_text(yaml.safe_dump(declared))
    bench.monkeypatch.setattr("sys.argv", ["pipeline", "gain", "toy"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    told = capsys.readouterr().out
    assert (
        told.startswith("weight (toy-ridge): mae") and "better in 2 of 3 folds" in told
    )  # the first holds the odd ones
    code, lines = bench.run("gain", "toy", "--model", "toy-second")
    assert code == 2 and "whose gain `train` tells" in lines[0] and "toy-ridge" in lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("gain", "toy"), ["neither own_columns nor source.extra nor columns.weight", "pseudo-labels"]),
        (("gain", "toy", "--model", "tyo-ridge"), ["toy-ridge"]),
    ],
)
def test_what_cannot_be_told(bench, arguments, words):
    bench.write()
    code, lines = bench.run(*arguments)
    assert code == 2 and len(lines) == 1 and all(word in lines[0] for word in words)


def test_the_verdict_is_a_corrected_t_test():
    gains = [0.02, 0.01, 0.03, 0.015, 0.005]
    naive = ttest_1samp(gains, 0)
    # As scipy's, with the variance of the mean (1/5 + 1/4) / (1/5) times as large.
    from scipy.stats import t

    assert chance(gains) == pytest.approx(2 * t.sf(naive.statistic * (0.2 / 0.45) ** 0.5, 4))
    assert chance([0.1]) == 1.0 and chance([0.0, 0.0]) == 1.0
    accuracy, rmse = metrics.build("accuracy", "metric"), metrics.build("rmse", "metric")
    assert "it helps" in told_gain("x", accuracy, [0.9, 0.91, 0.92], [0.8, 0.81, 0.82])
    assert "it hurts" in told_gain("x", rmse, [0.9, 0.91, 0.92], [0.8, 0.81, 0.82])
    assert "no difference" in told_gain("x", rmse, [0.9, 0.8, 0.92], [0.8, 0.91, 0.9])


def test_such_a_test_is_seldom_wrong_where_there_is_no_difference():
    """Models that differ by noise alone, cross-validated on the same rows: at most one in ten is called better."""
    generator, called = np.random.default_rng(0), 0
    for _ in range(200):
        rows = generator.normal(size=100)  # by how much one model errs less than the other, on each row
        called += chance([float(part.mean()) for part in np.split(rows, 5)]) < 0.05
    assert called <= 20
