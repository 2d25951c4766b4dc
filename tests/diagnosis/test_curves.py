"""What a stored curve hangs on, and what it says of its ends."""

from __future__ import annotations

import pytest
import yaml

from pipeline.diagnosis.curves import Point, made_of, told_setting
from pipeline.stages.project import load_project


def test_a_curve_hangs_on_weights_and_pseudo_labels(bench):
    bench.write()

    def of(over, **fit):
        params = yaml.safe_load((bench.root / "params.yaml").read_text())
        params["models"]["toy-other"] = {**bench.model, "fit": fit}
        (bench.root / "params.yaml").write_text(yaml.safe_dump(params))
        config = load_project()
        return made_of(config.competition("toy"), config.model("toy-other"), over, "rows")

    ratio = [{"name": "density_ratio", "clip": clip} for clip in (2.0, 5.0)]
    pseudo = [{"models": ["toy-ridge"], "weight": weight} for weight in (0.3, 0.6)]
    alpha = [of("model.alpha"), *(of("model.alpha", weights=one) for one in ratio)]
    alpha += [of("model.alpha", pseudo=one) for one in pseudo]
    assert len(set(alpha)) == 5
    assert of("fit.weights", weights=ratio[0]) == of("fit.weights", weights=ratio[1]) == of("fit.weights")
    assert of("fit.weights.clip", weights=ratio[0]) == of("fit.weights.clip", weights=ratio[1])
    assert of("fit.pseudo.weight", pseudo=pseudo[0]) == of("fit.pseudo.weight", pseudo=pseudo[1])


@pytest.mark.parametrize(
    ("over", "labels", "beyond"),
    [
        ("model.hidden", ["[16]", "[8]"], False),  # as given: nobody knows which way is beyond
        ("model.hidden", ["[8]", "[16]"], True),
        ("model.alpha", ["0.001", "1"], True),
        ("model.dropout", ["0", "0.5"], False),
        ("fit.optimizer", ["adam", "sgd"], False),
        ("model.hidden", ["[8]", "[16, 16]"], False),
        ("seed", ["1", "2"], False),
    ],
)
def test_only_of_numbers_there_is_a_beyond(over, labels, beyond):
    points = [Point(label, [score] * 3, [score] * 3) for label, score in zip(labels, (0.1, 0.9), strict=True)]
    told = " ".join(told_setting(over, points, ["best", "underfits"], "rmse"))
    assert ("try beyond it" in told) == beyond
