"""Which examples make a minibatch."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from pipeline.core.errors import UserError
from pipeline.training.sampling import samplers

SHUFFLED = samplers.build("shuffled", "sampling")


def indices(selections):
    return [selection.index.tolist() for selection in selections]


@pytest.mark.parametrize(("examples", "batch_size"), [(10, 3), (9, 3), (65, 64), (1, 8), (5, 1), (129, 64)])
def test_shuffled_deals_every_example_once(examples, batch_size):
    batches = indices(SHUFFLED.training({}, examples, batch_size, seed=1))
    assert len(batches) == SHUFFLED.minibatches({}, examples, batch_size)
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
    assert len(batches) == bucketed.minibatches({}, examples, batch_size)
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
    assert len(batches) <= bucketed.minibatches({"length": length}, examples, 8)
    assert all(int(length[batch].sum()) <= 512 + 120 for batch in batches)
    assert indices(bucketed.training({"length": length}, examples, 8, seed=1)) == batches
    answered = indices(bucketed.prediction({"length": length}, examples, 2))
    assert sorted(index for batch in answered for index in batch) == list(range(examples))
    assert all(int(length[batch].sum()) <= 512 + 120 for batch in answered)
    long = torch.tensor([5000, 1, 2, 3])  # one text that fills many
    dealt = indices(bucketed.training({"length": long}, 4, 8, seed=1))
    assert sorted(index for batch in dealt for index in batch) == [0, 1, 2, 3]


def test_pairs_are_alike_on_both_sides_and_counted_by_the_first():
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(5, 20, (3000,), generator=generator)
    source = target + torch.randint(-4, 5, (3000,), generator=generator)
    bucketed = samplers.build({"name": "bucketed", "batch_tokens": 512, "pool": 200}, "sampling")
    pairs = {"length": torch.stack([target, source], dim=1)}
    batches = indices(bucketed.training(pairs, 3000, 8, seed=1))
    assert sorted(index for batch in batches for index in batch) == list(range(3000))
    assert all(400 < int(target[batch].sum()) < 640 for batch in batches[:-1])
    own = indices(bucketed.training({"length": target}, 3000, 8, seed=1))

    def padded(batches, side):
        return sum(len(batch) * int(side[batch].max()) for batch in batches) / int(side.sum())

    assert padded(batches, target) < 1.05 and padded(batches, source) < 1.12 < padded(own, source)


def texts(*lengths):
    """What samplers are told of texts of so many tokens."""
    return {"ends": torch.tensor(lengths).cumsum(0), "length": 2 * torch.tensor(lengths)}


def spans(selection):
    windows = selection.windows
    assert torch.equal(windows.begins, windows.counted)
    return list(zip(windows.begins.tolist(), windows.ends.tolist(), strict=True))


def d2l_sequential(tokens, lanes, steps, offset):
    """seq_data_iter_sequential of D2L 9.3 (first edition): the places of X in each minibatch."""
    corpus = np.arange(tokens)
    usable = (tokens - offset - 1) // lanes * lanes
    rows = corpus[offset : offset + usable].reshape(lanes, -1)
    return [rows[:, i : i + steps].tolist() for i in range(0, steps * (rows.shape[1] // steps), steps)]


def d2l_random(tokens, steps, offset):
    """seq_data_iter_random of D2L 9.3: the windows of one epoch, before they are shuffled."""
    corpus = np.arange(tokens)[offset:]
    return [corpus[i : i + steps].tolist() for i in range(0, (len(corpus) - 1) // steps * steps, steps)]


@pytest.mark.parametrize(("tokens", "lanes", "steps"), [(120, 3, 5), (47, 2, 4), (35, 2, 5)])
def test_sequential_is_the_books_partition(tokens, lanes, steps):
    sampler = samplers.build({"name": "sequential", "steps": steps, "joined": True}, "sampling")
    arrays, begins = texts(10, tokens - 10), set()
    for seed in range(40):
        selections = list(sampler.training(arrays, 2, lanes, seed))
        assert len(selections) == sampler.minibatches(arrays, 2, lanes)
        places = [[list(range(*span)) for span in spans(selection)] for selection in selections]
        offset, length = places[0][0][0], places[0][1][0] - places[0][0][0]
        # The book's lanes grow and shrink with the offset by a token; where they are as long, all is the same.
        if (tokens - offset - 1) // lanes == length:
            book = d2l_sequential(tokens, lanes, steps, offset)
            assert places == book[: len(places)] and len(book) - len(places) <= 1
            begins.add(offset)
        for before, after in pairwise(selections):
            assert torch.equal(before.windows.ends, after.windows.begins)  # adjacent minibatches adjoin
        assert [bool(selection.fresh.all()) for selection in selections] == [True] + [False] * (len(selections) - 1)
    assert len(begins) > 1  # what is left out changes


@pytest.mark.parametrize(("tokens", "steps"), [(120, 7), (35, 5)])
def test_random_windows_are_the_books(tokens, steps):
    sampler = samplers.build({"name": "random", "steps": steps, "joined": True}, "sampling")
    arrays, begins = texts(tokens), set()
    for seed in range(40):
        selections = list(sampler.training(arrays, 1, 4, seed))
        assert len(selections) == sampler.minibatches(arrays, 1, 4)
        assert all(selection.fresh is None for selection in selections)
        dealt = [span for selection in selections for span in spans(selection)]
        offset = min(dealt)[0]
        assert 0 <= offset < steps
        book = d2l_random(tokens, steps, offset)
        found = sorted(list(range(*span)) for span in dealt)
        assert found == book[: len(found)] and len(book) - len(found) <= 1
        assert dealt != sorted(dealt)
        begins.add(offset)
    assert len(begins) > 1


def test_windows_end_where_their_text_does_unless_texts_are_joined():
    lengths = (3, 20, 1, 8)
    starts = {0, 3, 23, 24}
    for name in ("random", "sequential"):
        sampler = samplers.build({"name": name, "steps": 4}, "sampling")
        for seed in range(5):
            for selection in sampler.training(texts(*lengths), 4, 2, seed):
                for (begin, end), row in zip(spans(selection), selection.index.tolist(), strict=True):
                    assert sum(lengths[:row]) <= begin < end <= sum(lengths[: row + 1]) and end - begin <= 4
                if selection.fresh is not None:
                    begun = [begin in starts for begin, _ in spans(selection)]
                    assert all(fresh or not new for fresh, new in zip(selection.fresh.tolist(), begun, strict=True))


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("name", ["random", "sequential"])
def test_prediction_counts_every_token_once_and_goes_on_in_order(name, joined):
    sampler = samplers.build({"name": name, "steps": 3, "joined": joined}, "sampling")
    counted, reached = [], {}
    for selection in sampler.prediction(texts(7, 1, 300, 12), 4, 2):
        windows = selection.windows
        for span in zip(windows.counted.tolist(), windows.ends.tolist(), strict=True):
            counted += range(*span)
        if selection.fresh is None:
            continue
        for lane, (begin, end) in enumerate(zip(windows.begins.tolist(), windows.ends.tolist(), strict=True)):
            assert selection.fresh[lane] or reached[lane] == begin
            reached[lane] = end
    assert sorted(counted) == list(range(320))


def test_a_window_of_prediction_may_read_what_stands_before_it():
    sampler = samplers.build({"name": "random", "steps": 4, "context": 6}, "sampling")
    found = [
        span
        for selection in sampler.prediction(texts(10, 4), 2, 3)
        for span in zip(*(getattr(selection.windows, name).tolist() for name in ("begins", "counted", "ends")))
    ]
    assert sorted(found, key=lambda one: one[1]) == [(0, 0, 4), (0, 4, 8), (2, 8, 10), (10, 10, 14)]


def test_windows_of_what_has_no_tokens_are_refused():
    with pytest.raises(UserError, match="windows need columns of tokens"):
        list(samplers.build("random", "sampling").training({}, 3, 2, 0))
