"""Embeddings of category codes against torch's own."""

import pytest
import torch
from torch.nn import functional

from pipeline.models.layers.category_embedding import CategoryEmbedding, lookup

LEVELS = (3, 5, 2)


@pytest.fixture
def codes():
    torch.manual_seed(0)
    return torch.stack([torch.randint(levels, (8,)) for levels in LEVELS], dim=1)


def test_every_column_has_a_table_of_its_own(codes):
    embedding = CategoryEmbedding(LEVELS, 4)
    tables = embedding.weight.detach().split(LEVELS)
    expected = torch.cat([functional.embedding(codes[:, j], table) for j, table in enumerate(tables)], dim=1)
    torch.testing.assert_close(embedding(codes).detach(), expected)


def test_code_0_begins_at_zero():
    made = CategoryEmbedding(LEVELS, 4)(torch.tensor([[0, 0, 0], [1, 1, 1]]))
    assert not made[0].any() and made[1].all()


def test_each_member_looks_up_its_own_table(codes):
    tables = torch.randn(2, 10, 4)
    index = torch.stack([codes, codes + 2])
    both = lookup(tables, index)
    for member in range(2):
        torch.testing.assert_close(both[member], functional.embedding(index[member], tables[member]))
