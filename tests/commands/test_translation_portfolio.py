"""What ``add`` makes of pairs of texts: recipes by size and time."""

from __future__ import annotations

import pandas as pd
import pytest

from pipeline.commands import gallery
from pipeline.commands.parallel import describe
from pipeline.core.config import build_config
from pipeline.core.errors import Faults
from pipeline.stages.project import shelves

ORIGIN = {"name": "parallel", "path": "x", "source": "en", "target": "de"}


def composed(rows: int, *, valid: bool = False, minutes: float | None = None, words: int = 11):
    train = pd.DataFrame({"en": ["a b"] * rows, "de": [" ".join(["c"] * words)] * rows})
    competition, models, left_out = gallery.compose("own", describe(ORIGIN, train, valid, None), minutes)
    assert not left_out
    return build_config({"competitions": {"own": competition}, "models": models}, shelves())


def recipe(config, name="transformer"):
    fit = config.models[f"own-{name}"].fit
    return fit.epochs, fit.sampling.batch_tokens


def test_fewer_pairs_have_fewer_pieces_smaller_minibatches_and_more_epochs():
    sizes = {rows: composed(rows) for rows in (400, 10_000, 29_000)}
    pieces = [one.competition("own").features["pairs"].tokenizer.vocabulary_size for one in sizes.values()]
    assert pieces == [500, 4000, 8000]
    assert [recipe(one) for one in sizes.values()] == [(40, 512), (25, 2048), (13, 4096)]
    assert sizes[400].models["own-transformer"].model.encoder_layers == 2
    assert all(one.competition("own").features["pairs"].joint for one in sizes.values())


def test_rows_held_out_once_end_a_fit_and_folds_do_not():
    for config in (composed(29_000), composed(400, valid=True)):
        assert {model.retrain.mode for model in config.models.values()} == {"folds"}
    assert {model.retrain.mode for model in composed(400).models.values()} == {"all_rows"}
    several = composed(400)
    raw = {"competitions": {"own": several.competition("own").raw}, "models": {}}
    raw["models"]["own-seq2seq"] = {
        "competition": "own",
        "features": "pairs",
        "model": "seq2seq",
        "retrain": {"mode": "folds"},
    }
    with pytest.raises(Faults, match=r"retrain\.mode: the answers of several models are averaged"):
        build_config(raw, shelves())


def test_a_budget_has_as_many_epochs_as_it_has_time_for():
    assert recipe(composed(29_000, valid=True, minutes=600)) == (20, 4096)
    fewer = recipe(composed(29_000, valid=True, minutes=30))[0]
    assert 8 <= fewer <= 20
    assert recipe(composed(29_000, valid=True, minutes=15))[0] in (fewer // 2, fewer // 2 + 1)
    config = composed(140_000, minutes=15, words=6)
    assert recipe(config)[0] >= 1
    assert all(model.budget.seconds < 15 * 60 for model in config.models.values())
