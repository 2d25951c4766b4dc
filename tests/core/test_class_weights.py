"""Class weights held against scikit-learn's."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from pipeline.core.class_weights import class_weights
from pipeline.core.errors import Faults, UserError
from pipeline.core.registry import build_settings, settings_dict
from pipeline.core.types import Spec
from pipeline.models.forests import ExtraTrees

TARGET = np.array([0, 0, 0, 2, 2, 0, 0, 2, 3, 0])
SPEC = Spec(outputs=4, classes=("no", "never", "yes", "True"))


def setting(value):
    return build_settings(ExtraTrees, {"class_weights": value}, "models.m.model").class_weights


def test_none_weighs_nothing():
    assert class_weights(setting("none"), TARGET, SPEC) is None


def test_balanced_is_scikit_learns_and_classes_without_rows_weigh_one():
    weights = class_weights(setting("balanced"), TARGET, SPEC)
    expected = compute_class_weight("balanced", classes=np.array([0, 2, 3]), y=TARGET)
    np.testing.assert_allclose(weights, [expected[0], 1, expected[1], expected[2]])


def test_named_classes_weigh_as_said_whatever_yaml_makes_of_the_name():
    np.testing.assert_array_equal(class_weights(setting({"yes": 3, True: 0.5}), TARGET, SPEC), [1, 1, 3, 0.5])
    spec = Spec(outputs=2, classes=("0", "1"))
    np.testing.assert_array_equal(class_weights(setting({1: 2.5}), TARGET[:3], spec), [1, 2.5])


def test_an_unknown_class_is_told_with_a_hint():
    with pytest.raises(UserError, match="no class 'yess'; did you mean 'yes'"):
        class_weights(setting({"yess": 2}), TARGET, SPEC)


@pytest.mark.parametrize("value", ["even", {}, {"a": 0}, {"a": -1}, {"a": "much"}, {"a": True}, 3, None])
def test_what_is_no_weight_is_one_fault(value):
    with pytest.raises(Faults, match=r"models\.m\.model\.class_weights: needs none, balanced or") as caught:
        setting(value)
    assert len(caught.value.faults) == 1


def test_weights_survive_being_written_as_settings():
    part = build_settings(ExtraTrees, {"class_weights": {0: 2, "b": 1.5}}, "m")
    plain = settings_dict(part)
    assert plain.pop("name") == "extra_trees"
    assert plain["class_weights"] == {"0": 2.0, "b": 1.5}
    assert build_settings(ExtraTrees, plain, "m") == part
