"""``curve --over KEY --values …`` as written -> values that the model's setting takes."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from pipeline.core.config import Config, ModelConfig
from pipeline.core.errors import Faults, UserError, did_you_mean, quoted
from pipeline.core.params import parse_params
from pipeline.stages.project import rebuild_model
from pipeline.tuning.space import TUNABLE, apply, setting

PARTS = (0.125, 0.25, 0.5, 1.0)
"""Of the training rows, where none are said: each step doubles them."""


def values_of(config: Config, model: ModelConfig, over: str, text: str | None) -> list[Any]:
    """What ``--values`` says, read as a list of params.yaml; numbers in their order. Raises UserError."""
    if over == "rows" and text is None:
        return list(PARTS)
    if text is None:
        raise UserError(f"curve: --over {over} needs --values, such as --values 8,32,128")
    given = parse_params(f"values: [{text}]", "--values")["values"]
    number = [isinstance(one, int | float) and not isinstance(one, bool) for one in given]
    if over == "rows" and not (all(number) and all(0 < one <= 1 for one in given)):
        raise UserError(f"curve: --over rows needs parts of the training rows above 0 and up to 1, got {text}")
    if len({repr(one) for one in given}) < max(len(given), 2):
        raise UserError(f"curve: --values needs two values or more, each once, got {text}")
    given = sorted(given) if all(number) else given
    return given if over == "rows" else _checked(config, model, over, given)


def _checked(config: Config, model: ModelConfig, over: str, given: list[Any]) -> list[Any]:
    """The values as the setting takes them: where it is a list, 8 stands for [8]."""
    if over.split(".")[0] not in TUNABLE:
        hint = did_you_mean(over, ["rows", *keys_of(model)])
        raise UserError(
            f"curve: --over takes rows, features, seed, or a setting of model or fit, got {quoted(over)}{hint}"
        )
    try:
        listed = isinstance(setting(model, over), list)
    except KeyError:
        listed = False  # of settings that are left out, or of none
    wanted = [[one] if listed and not isinstance(one, list) else one for one in given]
    faults: list[str] = []
    known = True
    for value in wanted:
        try:
            setting(built(config, model, over, value), over)
        except Faults as error:
            faults += error.faults
            known &= not any(": unknown key" in fault for fault in error.faults)
        except KeyError:
            known = False
    if not known:
        raise UserError(f"curve: {model.name} has no setting {quoted(over)}{did_you_mean(over, keys_of(model))}")
    if faults:
        raise Faults([f"curve: {fault}" for fault in faults])
    return wanted


def built(config: Config, model: ModelConfig, over: str, value: Any) -> ModelConfig:
    """The model with this value. Raises Faults."""
    competition = config.competition(model.competition)
    raw = {key: body for key, body in model.raw.items() if key not in ("tune", "budget")}
    return rebuild_model(competition, model.name, apply(raw, {over: value}))


def keys_of(model: ModelConfig) -> list[str]:
    """Dotted keys of its settings."""

    def within(part: Any, before: str) -> list[str]:
        if not is_dataclass(part):
            return []
        named = {f"{before}.{field.name}": getattr(part, field.name) for field in fields(part)}
        return [*named, *(inner for key, one in named.items() for inner in within(one, key))]

    return ["features", "seed", *within(model.model, "model"), *within(model.fit, "fit")]
