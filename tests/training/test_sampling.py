"""Which examples make a minibatch."""

import numpy as np
import pytest
import torch

from pipeline.training.sampling import samplers

SHUFFLED = samplers.build("shuffled", "sampling")
SEQUENTIAL = samplers.build("sequential", "sampling")


def indices(selections):
    return [selection.index.tolist() for selection in selections]


@pytest.mark.parametrize(("examples", "batch_size"), [(10, 3), (9, 3), (65, 64), (1, 8), (5, 1), (129, 64)])
def test_shuffled_deals_every_example_once(examples, batch_size):
    batches = indices(SHUFFLED.training({}, examples, batch_size, seed=1))
    assert len(batches) == SHUFFLED.steps({}, examples, batch_size)
    assert sorted(index for batch in batches for index in batch) == list(range(examples))
    assert all(len(batch) >= min(2, batch_size, examples) for batch in batches)  # batch normalisation needs two


def test_shuffled_order_follows_from_its_seed_alone():
    torch.manual_seed(5)
    first = indices(SHUFFLED.training({}, 50, 8, seed=1))
    torch.manual_seed(6)
    assert indices(SHUFFLED.training({}, 50, 8, seed=1)) == first
    assert indices(SHUFFLED.training({}, 50, 8, seed=2)) != first


@pytest.mark.parametrize(("examples", "batch_size"), [(200, 8), (129, 64), (5, 1), (1, 8)])
def test_bucketed_deals_every_example_once_and_like_lengths_together(examples, batch_size):
    length = torch.randint(1, 30, (examples,), generator=torch.Generator().manual_seed(0))
    bucketed = samplers.build({"name": "bucketed", "pool": 4}, "sampling")
    batches = indices(bucketed.training({"length": length}, examples, batch_size, seed=1))
    assert len(batches) == bucketed.steps({}, examples, batch_size)
    assert sorted(index for batch in batches for index in batch) == list(range(examples))
    assert batches != indices(bucketed.training({"length": length}, examples, batch_size, seed=2)) or examples == 1

    def padding(dealt):
        return sum(int((length[batch].max() - length[batch]).sum()) for batch in dealt)

    assert padding(batches) <= padding(indices(SHUFFLED.training({}, examples, batch_size, seed=1))) / 2
    answered = indices(bucketed.prediction({"length": length}, examples, batch_size))
    assert sorted(index for batch in answered for index in batch) == list(range(examples))
    assert padding(answered) <= padding(batches)


def test_bucketed_without_lengths_still_deals_every_example_once():
    bucketed = samplers.build("bucketed", "sampling")
    for batches in (bucketed.training({}, 20, 3, seed=1), bucketed.prediction({}, 20, 3)):
        assert sorted(index for batch in indices(batches) for index in batch) == list(range(20))


@pytest.mark.parametrize("examples", [1, 7, 500])
def test_minibatches_of_like_many_tokens(examples):
    length = torch.randint(0, 60, (examples,), generator=torch.Generator().manual_seed(0))
    bucketed = samplers.build({"name": "bucketed", "batch_tokens": 512}, "sampling")
    batches = indices(bucketed.training({"length": length}, examples, 8, seed=1))
    assert sorted(index for batch in batches for index in batch) == list(range(examples))
    assert len(batches) <= bucketed.steps({"length": length}, examples, 8)
    assert all(int(length[batch].sum()) <= 512 + 120 for batch in batches)
    assert indices(bucketed.training({"length": length}, examples, 8, seed=1)) == batches
    long = torch.tensor([5000, 1, 2, 3])  # one text that fills many
    dealt = indices(bucketed.training({"length": long}, 4, 8, seed=1))
    assert sorted(index for batch in dealt for index in batch) == [0, 1, 2, 3]


def d2l_sequential_partition(windows, batch_size, offset):
    """D2L 9.3 (first edition, seq_data_iter_sequential) on whole windows."""
    usable = (len(windows) - offset) // batch_size * batch_size
    lanes = np.array(windows[offset : offset + usable]).reshape(batch_size, -1)
    return [lanes[:, step].tolist() for step in range(lanes.shape[1])]


@pytest.mark.parametrize(("examples", "batch_size"), [(12, 3), (14, 3), (35, 8), (2, 5)])
def test_sequential_is_the_books_partition(examples, batch_size):
    lanes = min(batch_size, examples)
    seen = set()
    for seed in range(30):
        batches = indices(SEQUENTIAL.training({}, examples, batch_size, seed))
        offset = batches[0][0]
        assert batches == d2l_sequential_partition(list(range(examples)), lanes, offset)
        assert len(batches) == SEQUENTIAL.steps({}, examples, batch_size)
        seen.add(offset)
    assert seen == set(range(examples % lanes + 1))  # what is left out changes


def test_lanes_are_fresh_where_a_stream_or_a_document_begins():
    row = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    for arrays in ({"row": row}, {"first": torch.tensor([True, False, False, True, False, True, False, False])}):
        selections = list(SEQUENTIAL.training(arrays, 8, 2, seed=0))
        assert indices(selections) == [[0, 4], [1, 5], [2, 6], [3, 7]]
        fresh = [selection.fresh.tolist() for selection in selections]
        assert fresh == [[True, True], [False, True], [False, False], [True, False]]


def test_prediction_takes_a_lane_a_row_and_every_example_once():
    row = torch.tensor([0, 1, 1, 1, 2, 2, 3])
    seen = []
    for selection in SEQUENTIAL.prediction({"row": row}, 7, 2):
        seen += selection.index.tolist()
        assert len(set(row[selection.index].tolist())) == len(selection.index)
    assert sorted(seen) == list(range(7))
    assert seen.index(1) < seen.index(2) < seen.index(3)
    assert indices(SHUFFLED.prediction({}, 5, 2)) == [[0, 1], [2, 3], [4]]
