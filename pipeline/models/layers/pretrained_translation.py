"""A pretrained encoder and decoder as a network of translation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pipeline.core.types import Batch, Spec
from pipeline.models.layers.translation import TranslationNetwork
from pipeline.text.pretrained import empty_network, find_encoder, read_network
from pipeline.text.reserved import PAD

KIND = "AutoModelForSeq2SeqLM"
RELATIVE = ("t5", "mt5", "umt5", "byt5", "longt5")
"""Kinds that know any number of steps, whatever their configuration says."""


class PretrainedTranslation(TranslationNetwork):
    """It is built empty from the model's configuration; before training it reads the model's weights.

    Its state is what was read so far: each step reads all of it anew.
    """

    prepares = True
    order: Tensor

    def __init__(self, spec: Spec, frozen_encoder: bool, dropout: float | None) -> None:
        super().__init__()
        told = spec.pretrained["source"]
        self.place: str = told["encoder"]
        self.register_buffer("order", torch.tensor(told["order"]), persistent=False)
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
        return {"memory": memory, "mask": mask, "tokens": batch["source"].new_zeros(len(mask), 0)}

    def read(self, tokens: Tensor, state: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        from transformers.modeling_outputs import BaseModelOutput

        whole = torch.cat([state["tokens"], tokens], dim=1)  # [lanes, steps so far]
        found = self.network(
            encoder_outputs=BaseModelOutput(last_hidden_state=state["memory"]),
            attention_mask=state["mask"].long(),
            decoder_input_ids=self.order[whole],
            use_cache=False,
        )
        logits = found.logits[:, -tokens.shape[1] :]  # [lanes, steps, the model's own tokens]
        return logits.index_select(-1, self.order), {**state, "tokens": whole}  # [lanes, steps, tokens]
