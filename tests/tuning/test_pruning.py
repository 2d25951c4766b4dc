"""Trials that a pruner drops."""

from __future__ import annotations

import pytest
from test_study import DECLARED, SPACE, loss, run

from pipeline.tuning.study import Study


@pytest.mark.parametrize("pruner", ["median", "wilcoxon"])
def test_pruned_trials_count_and_never_win(tmp_path, pruner):
    def folds(overrides, asked):
        scores = []
        for fold in range(6):
            scores.append(loss(overrides, fold))
            if asked.report(fold, scores[-1]):
                return None
        return sum(scores) / 6

    scores = [loss(DECLARED, fold) for fold in range(6)]
    settings = {"higher_is_better": False, "trials": 20, "pruner": pruner}
    study = Study("folds", tmp_path / "a.journal", SPACE, DECLARED, sum(scores) / 6, scores, **settings)
    result = run(study, folds)
    pruned = [trial for trial in result.trials if trial.state == "pruned"]
    assert len(result.trials) == 20 and pruned
    for trial in pruned:
        assert trial.value is None and 2 <= len(trial.scores) <= 6
        assert sum(loss(trial.overrides, fold) for fold in range(6)) / 6 > result.best.value


@pytest.mark.parametrize("told", [4, 5, 9])
def test_a_batch_told_in_part_is_pruned_as_an_undisturbed_one(tmp_path, told):
    """Trials of a batch are not compared with those of it that a killed run has told."""

    def steep(overrides):
        return [loss(overrides, fold) * (1 + 0.3 * fold) for fold in range(6)]

    def tried(asked):
        seen = []
        for fold, score in enumerate(steep(asked.overrides)):
            seen.append(score)
            if asked.report(fold, score):
                return None
        return sum(seen) / 6

    def search(folder, until=None):
        scores = steep(DECLARED)
        settings = {"higher_is_better": False, "trials": 25, "pruner": "median", "batch": 6}
        study = Study("steep", folder / "a.journal", SPACE, DECLARED, sum(scores) / 6, scores, **settings)
        count = 0
        with study.opened() as opened:
            while asked := opened.ask():
                for one, outcome in [(one, tried(one)) for one in asked]:
                    if count == until:
                        return None
                    opened.tell(one, outcome, 0.0)
                    count += 1
            return opened.result()

    whole = search(tmp_path / "whole")
    assert any(trial.state == "pruned" for trial in whole.trials)
    search(tmp_path / "broken", until=told)
    assert search(tmp_path / "broken") == whole
