"""Attention that looks only where its mask allows (D2L 11.3, 11.5)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.layers.members import Dropout
from pipeline.models.layers.positions import rotate


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last dimension where ``mask`` allows, 0 elsewhere.

    A row without any place to look at is all 0, with finite gradients (a softmax over -inf is NaN).

    scores: float [..., keys]; mask: bool, broadcast to the same shape, or lengths, see ``allowed``.
    """
    mask = mask if mask.dtype == torch.bool else allowed(mask, scores.shape[-1])
    weights = torch.softmax(scores.masked_fill(~mask, torch.finfo(scores.dtype).min), dim=-1)
    return weights.masked_fill(~mask.any(-1, keepdim=True), 0.0)


def allowed(mask: Tensor, keys: int) -> Tensor:
    """Any form of a mask as bool [batch or 1, queries or 1, keys].

    mask: bool [batch, keys] or [batch, queries, keys]; or int, how many keys are real: [batch] or [batch, queries].
    """
    if mask.dtype != torch.bool:
        lengths = mask if mask.ndim == 2 else mask.unsqueeze(1)  # [batch, queries or 1]
        return torch.arange(keys, device=mask.device) < lengths.unsqueeze(-1)  # [batch, queries or 1, keys]
    return mask if mask.ndim == 3 else mask.unsqueeze(1)  # [batch, queries or 1, keys]


def causal(queries: int, keys: int, device: torch.device) -> Tensor:
    """The last ``queries`` of ``keys`` steps see themselves and what came before: bool [1, queries, keys]."""
    return torch.ones((1, queries, keys), dtype=torch.bool, device=device).tril(keys - queries)


class AdditiveAttention(nn.Module):
    """Score of a query and a key: ``w . tanh(W q + U k)`` (Bahdanau et al. 2015; D2L 11.3.2).

    A decoder asks the same keys at every step, so ``project`` is done once and aside.
    """

    def __init__(self, query_size: int, key_size: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, hidden, bias=False)
        self.key = nn.Linear(key_size, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.dropout = Dropout(dropout)

    def project(self, keys: Tensor) -> Tensor:
        """[batch, keys, key size] -> [batch, keys, hidden]."""
        return self.key(keys)

    def weights(self, queries: Tensor, projected: Tensor, mask: Tensor) -> Tensor:
        """What each query looks at: [batch, queries, keys]."""
        sums = self.query(queries)[:, :, None] + projected[:, None]  # [batch, queries, keys, hidden]
        # A product of a matrix and a vector would round by how many rows there are: by who else is in the minibatch.
        scores = (torch.tanh(sums) * self.score.weight[0]).sum(-1)  # [batch, queries, keys]
        return masked_softmax(scores, allowed(mask, scores.shape[-1]))

    def forward(self, queries: Tensor, projected: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """Weighted sums of values.

        queries [batch, queries, query size], projected [batch, keys, hidden],
        values [batch, keys, size], mask as ``allowed`` takes it -> [batch, queries, size].
        """
        return self.dropout(self.weights(queries, projected, mask)) @ values  # [batch, queries, size]


class DotProductAttention(nn.Module):
    """Score of a query and a key: ``q . k / sqrt(size)`` (Vaswani et al. 2017; D2L 11.3.1)."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)

    def weights(self, queries: Tensor, keys: Tensor, mask: Tensor | None = None, before: bool = False) -> Tensor:
        """What each query looks at: [..., queries, keys]. before: see ``forward``."""
        scores = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-2, -1)  # [..., queries, keys]
        if before:  # a sum is one pass, and no row is without a place to look at
            later = torch.full(scores.shape[-2:], float("-inf"), dtype=scores.dtype, device=scores.device).triu(1)
            return (scores + later).softmax(-1)
        return scores.softmax(-1) if mask is None else masked_softmax(scores, mask)

    def forward(
        self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None, before: bool = False
    ) -> Tensor:
        """queries [..., queries, size], keys [..., keys, size], values [..., keys, value size], mask bool, broadcast
        to [..., queries, keys], or lengths -> [..., queries, value size].

        before: as many queries as keys look at themselves and what came before, without a mask.
        """
        if mask is not None and mask.dtype != torch.bool:
            mask = allowed(mask, keys.shape[-2])
        # On a processor torch's own takes a third longer with dropout, most of it for random numbers, and in 16 bits
        # seven times as long for its backward pass.
        short = queries.device.type == "cpu" and queries.dtype == torch.bfloat16
        if self.training and (self.dropout.p or short):
            weights = self.weights(queries, keys, mask, before)
            return self.dropout(weights) @ values  # [..., queries, value size]
        if queries.shape[-2] == 1 and mask is None:  # a step of an answer; torch's own takes twice as long
            return self.weights(queries, keys) @ values
        return functional.scaled_dot_product_attention(queries, keys, values, mask, is_causal=before)


class MultiHeadAttention(nn.Module):
    """Heads that each look in a space of their own (D2L 11.5).

    head_width: of each head, width / heads unless given: then 4 width² weights, else 4 heads width head_width.
    rotary: queries and keys are turned by their positions (Su et al. 2021), for attention among one sequence.
    listener: told what ``look`` is given, but for the values.

    Raises ValueError where heads do not divide width, or a rotary head's width is odd.
    """

    listener: Callable[[Tensor, Tensor, Tensor | None, bool], None] | None = None

    def __init__(
        self,
        width: int,
        heads: int,
        head_width: int | None = None,
        dropout: float = 0.0,
        bias: bool = True,
        rotary: bool = False,
    ) -> None:
        super().__init__()
        if head_width is None and width % heads:
            raise ValueError(f"heads must divide width, got {heads} heads and width {width}")
        self.heads, self.rotary = heads, rotary
        self.head_width = head_width or width // heads
        if rotary and self.head_width % 2:
            raise ValueError(f"rotary positions need heads of even width, got {self.head_width}")
        size = heads * self.head_width
        self.query, self.key, self.value = (nn.Linear(width, size, bias) for _ in range(3))
        self.attention = DotProductAttention(dropout)
        self.output = nn.Linear(size, width, bias)
        for layer in (self.query, self.key, self.value, self.output):
            nn.init.xavier_uniform_(layer.weight)
            if bias:
                nn.init.zeros_(layer.bias)

    def project(self, memory: Tensor, begin: int = 0) -> tuple[Tensor, Tensor]:
        """Keys and values of [batch, steps, width], the first of which is step ``begin``: each
        [batch, heads, steps, head width], to be kept where they are asked again."""
        return self._turned(self._split(self.key(memory)), begin), self._split(self.value(memory))

    def among(self, steps: Tensor, begin: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of a sequence that looks at itself, by one product: [batch, steps, width], the
        first of which is step ``begin`` -> each [batch, heads, steps, head width]."""
        layers = (self.query, self.key, self.value)
        weight = torch.cat([layer.weight for layer in layers])  # [3 * heads * head width, width]
        bias = torch.cat([layer.bias for layer in layers]) if self.query.bias is not None else None
        found = functional.linear(steps, weight, bias).unflatten(-1, (3, self.heads, self.head_width))
        # [batch, steps, 3, heads, head width] -> 3 x [batch, heads, steps, head width]
        asked, keys, values = found.permute(2, 0, 3, 1, 4)
        return self._turned(asked, begin), self._turned(keys, begin), values

    def attend(
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None = None,
        begin: int = 0,
    ) -> Tensor:
        """queries [batch, queries, width], the first of which is step ``begin``; keys and values as ``project``
        gives them; mask as ``allowed`` takes it -> [batch, queries, width]."""
        return self.look(self._turned(self._split(self.query(queries)), begin), keys, values, mask)

    def look(
        self, asked: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None, before: bool = False
    ) -> Tensor:
        """The same with queries as ``among`` gives them. before: see ``DotProductAttention``."""
        if self.listener is not None:
            self.listener(asked, keys, mask, before)
        if mask is not None:
            mask = allowed(mask, keys.shape[-2]).unsqueeze(1)  # [batch, 1, queries or 1, keys]
        context = self.attention(asked, keys, values, mask, before)  # [batch, heads, queries, head width]
        return self.output(context.transpose(1, 2).flatten(2))  # [batch, queries, width]

    def forward(self, queries: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """What queries [batch, queries, width] find in memory [batch, keys, width]: [batch, queries, width]."""
        if queries is memory:
            return self.look(*self.among(queries), mask)
        return self.attend(queries, *self.project(memory), mask)

    def _split(self, projected: Tensor) -> Tensor:
        # [batch, steps, heads * head width] -> [batch, heads, steps, head width]
        return projected.unflatten(-1, (self.heads, self.head_width)).transpose(1, 2)

    def _turned(self, split: Tensor, begin: int) -> Tensor:
        return rotate(split, begin) if self.rotary else split
