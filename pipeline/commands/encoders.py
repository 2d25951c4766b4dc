"""The pretrained encoder of a portfolio: what it needs installed, and another one in its place."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.text.pretrained import CONFIG, PACKAGE, absent, find_encoder, longest_of, width_of

PORTFOLIO_WORK = 6 * 384**2
"""Of the encoder that the portfolios' ``seconds`` were measured with: its blocks times their width squared."""
SHORTEST, LONGEST = 64, 256
"""Bounds of the pieces that texts are cut to."""
PIECES = 4.0
"""Room for so many pieces a word of the mean: most texts stay whole, and a long one holds no minibatch up."""


def lacking(body: Mapping[str, Any], features: Mapping[str, Any]) -> str | None:
    """The first library that a model needs and is not installed; packages that carry its encoder count."""
    needs = [body["needs"]] if "needs" in body else []
    encoder = features[body["features"]].get("encoder", "")
    if encoder.startswith(PACKAGE):
        needs.append(encoder.removeprefix(PACKAGE))
    return next((name for name in needs if find_spec(name) is None), None)


def with_encoder(
    name: str, features: dict[str, Any], models: Mapping[str, Any], encoder: str
) -> dict[str, dict[str, Any]]:
    """The models with another encoder: in place of the one that ``features`` names, which is changed, and slower by as
    much as it is larger. name: of the competition.

    Raises UserError where no feature set reads an encoder, or this one may not be read.
    """
    reading = {key for key, body in features.items() if "encoder" in body}
    if not reading:
        raise UserError(
            f"--encoder: is for texts alone, whose class or number is predicted, and '{name}' has others; leave it out"
        )
    if find_spec("transformers") is None:
        raise absent()
    config = read_json(find_encoder(encoder) / CONFIG)
    work = int(config.get("num_hidden_layers") or config.get("n_layers") or 6) * width_of(config) ** 2
    for key in reading:
        length = min(features[key].get("maximum_length", LONGEST), longest_of(config) or LONGEST)
        features[key] = {**features[key], "encoder": encoder, "maximum_length": length}
    return {
        key: {**body, "seconds": body["seconds"] * work / PORTFOLIO_WORK} if body["features"] in reading else body
        for key, body in models.items()
    }


def pieces_of(words: float) -> int:
    """How many pieces texts of so many words on average are cut to."""
    length = SHORTEST
    while length < min(PIECES * words, LONGEST):
        length *= 2
    return length
