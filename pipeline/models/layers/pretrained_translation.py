"""A pretrained encoder and decoder as a network of translation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pipeline.core.types import Batch, Spec
from pipeline.models.layers.translation import TranslationNetwork
from pipeline.text.pretrained import empty_network, find_encoder, read_network
from pipeline.text.reserved import BOS, PAD

KIND = "AutoModelForSeq2SeqLM"
RELATIVE = ("t5", "mt5", "umt5", "byt5", "longt5")
"""Kinds that know any number of steps, whatever their configuration says."""


class PretrainedTranslation(TranslationNetwork):
    """It is built empty from the model's configuration; before training it reads the model's weights.

    Its state is what was read so far, and of each layer of the decoder the keys and values of that and of the source.
    Of kinds that give none each step reads all of it anew.
    """

    prepares = True
    order: Tensor
    scored: Tensor
    """Whose logit each token's score is: the begin's is that of the padding, which never follows either. What a model
    begins with may be its end, as of BART: its logit stands for the end alone."""
    shares: Tensor
    """Logarithm of how many tokens share that logit, so that together they are as likely as it says."""

    def __init__(self, spec: Spec, frozen_encoder: bool, dropout: float | None) -> None:
        super().__init__()
        told = spec.pretrained["source"]
        self.place: str = told["encoder"]
        order = torch.tensor(told["order"])
        scored = order.clone()
        scored[BOS] = order[PAD]
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("scored", scored, persistent=False)
        self.register_buffer("shares", scored.bincount()[scored].float().log(), persistent=False)
        own = {} if dropout is None else {"dropout": dropout, "dropout_rate": dropout}  # the one, or T5's
        network: Any = empty_network({**told["config"], **own}, KIND)
        self.network, self.encoder = network, network.get_encoder()
        longest = told["config"].get("max_position_embeddings")
        self.longest = None if told["config"].get("model_type") in RELATIVE else longest
        for parameter in self.encoder.parameters() if frozen_encoder else ():
            parameter.requires_grad_(False)

    def prepare(self, batch: Batch) -> None:
        """Read the model's weights from its folder. Raises UserError."""
        weights = read_network(find_encoder(self.place, decoder=True), KIND).state_dict()
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                value.copy_(weights[name])

    def start(self, batch: Batch) -> dict[str, Any]:
        mask = batch["source"] != PAD  # [batch, source steps]
        # Where there is no token at all the first padding is looked at, so that there is something to see.
        mask[:, 0] = True
        memory = self.encoder(input_ids=self.order[batch["source"]], attention_mask=mask.long()).last_hidden_state
        return {"memory": memory, "mask": mask, "tokens": batch["source"].new_zeros(len(mask), 0), "kept": []}

    def read(self, tokens: Tensor, state: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        from transformers.modeling_outputs import BaseModelOutput

        whole, kept = torch.cat([state["tokens"], tokens], dim=1), state["kept"]  # [lanes, steps so far]
        found = self.network(
            encoder_outputs=BaseModelOutput(last_hidden_state=state["memory"]),
            attention_mask=state["mask"].long(),
            decoder_input_ids=self.order[tokens if kept else whole],
            cache=_cache(kept) if kept else None,
            use_cache=not self.training,  # in training a whole text is read at once, and nothing follows
        )
        logits = found.logits[:, -tokens.shape[1] :]  # [lanes, steps, the model's own tokens]
        state = {**state, "tokens": whole, "kept": _kept(found.cache)}
        scores = logits.index_select(-1, self.scored)  # [lanes, steps, tokens]
        return scores.sub_(self.shares), state


def _kept(cache: Any) -> list[tuple[Tensor, ...]]:
    """Of each layer keys and values of the text and of the source, [lanes, heads, steps, head width] each; nothing of
    what is no such cache."""
    from transformers import EncoderDecoderCache

    if not isinstance(cache, EncoderDecoderCache):
        return []
    both: Any = zip(cache.self_attention_cache.layers, cache.cross_attention_cache.layers, strict=True)
    return [(text.keys, text.values, source.keys, source.values) for text, source in both]


def _cache(kept: list[tuple[Tensor, ...]]) -> Any:
    """The cache again: its own way to be made of tensors would copy all of them."""
    from transformers import DynamicCache, EncoderDecoderCache
    from transformers.cache_utils import DynamicLayer

    def filled(keys: Tensor, values: Tensor) -> Any:
        layer = DynamicLayer()
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
        return layer

    text, source = DynamicCache(), DynamicCache()
    text.layers = [filled(*layer[:2]) for layer in kept]
    source.layers = [filled(*layer[2:]) for layer in kept]
    return EncoderDecoderCache(text, source)
