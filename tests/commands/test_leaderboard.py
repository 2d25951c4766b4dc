"""``leaderboard``, and the last line of a run."""

from __future__ import annotations

import pytest
import yaml
from bench import Bench

from pipeline.commands import leaderboard


def told(bench: Bench, name: str | None = None) -> str:
    bench.capsys.readouterr()
    leaderboard.run(name)
    return bench.capsys.readouterr().out


def test_a_competition_that_has_not_run_yet_does_not_hide_the_others(bench, undrawn):
    bench.write()
    params = yaml.safe_load((bench.root / "params.yaml").read_text())
    params["competitions"] = {"early": bench.competition, **params["competitions"]}
    params["models"]["early-ridge"] = {**bench.model, "competition": "early"}
    (bench.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    [line] = [line for line in bench.through() if line.startswith("toy: ")]
    assert "rmse" in line and "submission: data/toy/submission.csv; report: data/toy/report/index.html" in line
    shown = told(bench)
    assert "toy: rmse" in shown and "submission: data/toy/submission.csv" in shown
    assert "early: no model has a score yet; run `dvc repro report@early`" in shown
    code, lines = bench.run("leaderboard", "early")
    assert code == 2 and lines == ["error: early: no model has a score yet; run `dvc repro report@early`"]


def test_one_fold_has_no_spread_and_no_test_file_no_submission(bench, undrawn):
    bench.files |= {"test.csv": None, "sample_submission.csv": None}
    bench.competition["split"] = {"name": "holdout", "part": 0.2}
    bench.write()
    lines = bench.through()
    shown = told(bench, "toy")
    assert "± folds" not in shown and "submission" not in shown and "report: " in shown
    assert not any("submission: " in line for line in lines)
    page = (bench.root / "data/toy/report/index.html").read_text()
    assert "±" not in page and "one fold" in page.casefold()


@pytest.mark.parametrize(
    ("metric", "answer", "why"),
    [
        ("log_loss", "blue", "metric log_loss: needs probabilities, and submission.csv holds classes"),
        ("accuracy", "green", "solution.csv: column 'y' needs one of the classes blue, red, got green in row 1"),
    ],
)
def test_a_solution_that_cannot_be_held_against_is_told_and_takes_nothing_along(bench, undrawn, metric, answer, why):
    bench.files["train.csv"] = "id,size,y\n" + "".join(
        f"{i},{i * 7 % 11},{'red' if i % 3 else 'blue'}\n" for i in range(30)
    )
    bench.files["test.csv"] = "id,size\n" + "".join(f"{i},{i % 5}\n" for i in range(30, 40))
    bench.files["sample_submission.csv"] = "id,y\n" + "".join(f"{i},red\n" for i in range(30, 40))
    bench.files["solution.csv"] = f"id,y\n30,{answer}\n" + "".join(f"{i},red\n" for i in range(31, 40))
    bench.competition |= {"task": {"name": "classification"}, "metric": metric, "submission": "classes"}
    bench.model["model"] = {"name": "logistic_regression"}
    bench.write()
    bench.through()
    shown = told(bench, "toy")
    assert shown.count(f"no test score: {why}\n") == 1 and "toy-ridge" in shown
    assert f"No test score: {why}." in (bench.root / "data/toy/report/report.md").read_text()
    code, lines = bench.run("score", "toy")
    assert (code, lines) == (2, [f"error: {why}"])
