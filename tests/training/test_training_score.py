"""The training score: of all rows that a fold trains on, or of evenly chosen ones where there are many."""

import numpy as np
import pytest
import yaml
from projects import three_models

from pipeline.stages import fetch, preprocess
from pipeline.stages.project import load_project
from pipeline.training import folds
from pipeline.training.data import Rows
from pipeline.training.predictor import Predictor


@pytest.mark.parametrize("model", ["lines-ridge", "lines-linear", "lines-trees"])
@pytest.mark.parametrize("most", [30, 80, 10_000])
def test_it_is_that_of_evenly_chosen_rows(tmp_path, monkeypatch, model, most):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(folds, "MOST_SCORED", most)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(three_models()))
    config = load_project()
    fetch.run(config, "lines")
    preprocess.run(config, "lines")
    competition = config.competition("lines")
    data = Rows(competition).data("numbers")
    (result,) = folds.fit_folds(data, [folds.FoldJob(config.model(model), 1, predictor=tmp_path / "fold")])
    rows = data.rows.iloc[data.training_rows(1)].reset_index(drop=True)
    assert len(rows) == 80
    some = rows.iloc[np.floor(np.arange(most) * 80 / most).astype(int)] if most < 80 else rows
    some = some.reset_index(drop=True)
    predictions = Predictor.load(tmp_path / "fold").predict(some)
    assert result.train == pytest.approx(competition.metric.score(data.schema.target_of(some), predictions), rel=1e-5)
