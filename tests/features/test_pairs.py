from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.core.types import Column, Schema
from pipeline.features import features
from pipeline.text.joins import detokenize
from pipeline.text.reserved import BOS, EOS, PAD

SCHEMA = Schema(id=None, target="fr", columns=(Column("en", "text"),), target_kind="text")
ROWS = pd.DataFrame({"en": ["Close.", "Open the file", ""], "fr": ["Fermer.", "Ouvrir l'autre", "Oui"]})


def fitted(**options):
    settings = {"name": "pairs", "source": "en", "target": "fr", "minimum_count": 1, **options}
    return features.build(settings, "f").fit(ROWS, SCHEMA, 0)


def test_labels_end_with_the_end_mark_and_decoder_inputs_run_one_step_behind():
    encoder = fitted()
    encoded = encoder.encode(ROWS)
    vocabulary = encoder.spec.vocabularies["target"]
    for labels, inputs, text in zip(encoded["labels"], encoded["decoder_inputs"], ROWS["fr"]):
        length = (labels != PAD).sum()
        assert labels[length - 1] == EOS and inputs[0] == BOS
        np.testing.assert_array_equal(inputs[1:length], labels[: length - 1])
        assert (inputs[length:] == PAD).all()
        assert detokenize(vocabulary[i] for i in labels[: length - 1]) == text


def test_the_mask_marks_real_source_tokens():
    encoded = fitted().encode(ROWS)
    np.testing.assert_array_equal(encoded["source_mask"].sum(1), [2, 3, 0])
    np.testing.assert_array_equal(encoded["length"], [2 + 3, 3 + 5, 0 + 2])
    np.testing.assert_array_equal(encoded["source_mask"], encoded["source"] != PAD)


def test_rows_without_the_target_have_sources_alone():
    assert fitted().encode(ROWS[["en"]]).keys() == {"source", "source_mask", "length"}


def test_long_targets_are_cut_and_still_end():
    labels = fitted(maximum_length=2).encode(ROWS)["labels"]
    assert labels.shape == (3, 2)
    assert (labels[:, 1] == EOS).all()
