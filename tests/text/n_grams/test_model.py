from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import pipeline.text.n_grams.model as module
from pipeline.core.errors import UserError
from pipeline.core.ragged import Ragged
from pipeline.text.n_grams import estimators
from pipeline.text.n_grams.counts import count
from pipeline.text.n_grams.model import NGramModel
from pipeline.text.n_grams.places import Places
from pipeline.text.reserved import BOS, EOS, RESERVED
from pipeline.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary([*RESERVED, "a", "b", "c d", "e"], np.arange(8))
ROWS = st.lists(st.lists(st.integers(4, 7), max_size=8), max_size=12)


def fitted(rows: list[list[int]] | None = None, order: int = 3) -> NGramModel:
    rows = rows or [[4, 5, 6], [4, 5], [6, 4, 4, 5, 7]]
    counts = count(Ragged.from_lists(rows, np.int64), len(VOCABULARY), order)
    return estimators.build("kneser_ney", "").fit(counts, VOCABULARY)


@settings(max_examples=50)
@given(train=ROWS.filter(bool), test=ROWS, order=st.integers(1, 5), block=st.integers(1, 50))
def test_texts_score_what_the_steps_say_whatever_the_blocks(train, test, order, block):
    model = fitted(train, order)
    rows = Ragged.from_lists(test, np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        scores = model.score(rows)
    assert scores.lengths.tolist() == [len(row) + 1 for row in test]
    # All rows beside each other; those that have ended go on with what is left out below.
    marked = rows.padded(range(len(test)), EOS)  # [rows, longest]
    state, tokens = model.start(len(test)), np.full(len(test), BOS)
    for i in range(marked.shape[1] + 1):
        foretold, state = model.step(tokens, state)  # [rows, vocabulary]
        tokens = marked[:, i] if i < marked.shape[1] else np.full(len(test), EOS)
        for row in np.flatnonzero(scores.lengths > i):
            assert scores.row(row)[i] == pytest.approx(foretold[row, tokens[row]], abs=1e-12)


def test_windows_of_a_text_score_as_rows_of_their_own():
    windows = Ragged(np.array([4, 5, 6, 7, 4]), np.array([0, 1, 1]), np.array([3, 5, 5]))
    model = fitted()
    alone = [model.score(Ragged.from_lists([row.tolist()])).values for row in windows]
    np.testing.assert_array_equal(model.score(windows).values, np.concatenate(alone))


@pytest.mark.parametrize("keys", [[0], [0, 1], list(range(0, 100, 7))])
def test_what_is_below_0_is_never_found(keys):
    hits, places = Places(np.array(keys)).find(np.array([-1, -2, 0, -9, -1]))
    assert hits.tolist() == [2] and keys[places[0]] == 0


def test_what_comes_after_the_last_word_where_the_table_has_no_context():
    vocabulary = Vocabulary([*RESERVED, "a", "b"], np.arange(6))
    model = estimators.build("kneser_ney", "").fit(count(Ragged.from_lists([[5, 5]], np.int64), 6, 4), vocabulary)
    scores, state = model.step(np.array([4]), model.start(1))
    scores, state = model.step(np.array([5]), state)
    assert state.tolist() == [[5, -1, -1]] and np.exp(scores).sum() == pytest.approx(1)


def test_a_repeated_text_is_all_but_certain_and_an_uninformed_model_as_uncertain_as_its_vocabulary():
    rows = Ragged.from_lists([[4, 5, 6, 7] * 5] * 50)
    model = estimators.build("kneser_ney", "").fit(count(rows, 8, 5), VOCABULARY)
    assert np.exp(-model.score(rows).values.mean()) < 1.2
    flat = NGramModel(VOCABULARY, [], [np.full(len(VOCABULARY), -np.log(6))], [])
    assert np.exp(-flat.score(rows).values.mean()) == pytest.approx(6)


@given(st.sets(st.integers(0, 1 << 62), max_size=300), st.lists(st.integers(-5, 1 << 62), max_size=20))
def test_keys_are_found_where_they_stand(keys, others):
    keys = np.array(sorted(keys), np.int64)
    wanted = np.array([*keys[::-1].tolist(), *others], np.int64)
    hits, places = Places(keys).find(wanted)
    found = dict(zip(hits.tolist(), places.tolist()))
    expected = {key: i for i, key in enumerate(keys.tolist())}
    assert found == {i: expected[key] for i, key in enumerate(wanted.tolist()) if key in expected}


@pytest.mark.parametrize("size", [254, 255, 256, 65535])
def test_as_many_keys_as_a_type_holds_are_found(size):
    keys = np.arange(size) * 7
    hits, places = Places(keys).find(np.arange(7 * size + 20))
    assert sorted(hits.tolist()) == keys.tolist() and (hits == 7 * places).all()


@pytest.mark.parametrize("order", [1, 3])
def test_a_model_is_read_back_exactly(order, tmp_path):
    model = fitted([[4, 5, 6], [4, 5]], order)
    model.save(tmp_path)
    again = NGramModel.load(tmp_path)
    rows = Ragged.from_lists([[4, 5, 6], [7, 7], []])
    assert model.told
    np.testing.assert_array_equal(again.score(rows).values, model.score(rows).values)
    assert again.vocabulary == VOCABULARY and again.told == model.told
    model.save(tmp_path / "again")
    for file in ("n_grams.safetensors", "n_grams.json", "vocabulary.txt"):
        assert (tmp_path / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


@pytest.mark.parametrize("fault", ["cut", "missing", "key beyond", "order", "lacking", "vocabulary", "not a number"])
def test_files_that_are_no_model_are_told(fault, tmp_path):
    fitted().save(tmp_path)
    path = tmp_path / module.ARRAYS
    arrays = load_file(path)
    if fault == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    elif fault == "missing":
        path.unlink()
    elif fault == "vocabulary":
        Vocabulary(VOCABULARY.tokens[:7]).save(tmp_path / module.VOCABULARY)
    else:
        if fault == "key beyond":
            arrays["keys.3"] = arrays["keys.3"] + 10**6
        elif fault == "order":
            arrays["keys.2"] = arrays["keys.2"][::-1].copy()
        elif fault == "lacking":
            del arrays["weights.2"]
        else:
            arrays["probabilities.2"][0] = np.nan
        save_file(arrays, path)
    with pytest.raises(UserError, match=r"n_grams\.safetensors"):
        NGramModel.load(tmp_path)


def test_broken_facts_are_told(tmp_path):
    fitted().save(tmp_path)
    (tmp_path / module.FACTS).write_text(json.dumps({})[:1])
    with pytest.raises(UserError, match=r"n_grams\.json"):
        NGramModel.load(tmp_path)


def test_a_vocabulary_without_marks_is_refused():
    counts = count(Ragged.from_lists([[4]]), 6, 2)
    with pytest.raises(ValueError, match="reserves 2 indices"):
        estimators.build("kneser_ney", "").fit(counts, Vocabulary([*RESERVED[:2], "a", "b", "c", "d"]))
