"""Pretrained networks of images, as ``timm`` builds them; their weights as safetensors, and nothing else."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError, did_you_mean, reason_of
from pipeline.core.files import shown
from pipeline.core.hub import from_hub, keep_quiet
from pipeline.core.operators import declare_torchvision
from pipeline.core.paths import main_root

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = "model.safetensors"
"""What the hub calls the file."""


def find_weights(backbone: str, weights: str | None) -> Path:
    """The file of a backbone's weights.

    backbone: its name in timm. weights: a file, relative to the project or absolute; None: the hub's, which is asked
        only for what is not kept from before.
    Raises UserError where there is none.
    """
    if weights is None:
        return _from_hub(backbone)
    place = main_root() / weights
    if not place.is_file():
        raise UserError(f"{shown(place)}: no such file of weights; put it there, or correct the model's weights")
    return place


def empty_backbone(name: str, channels: int, size: tuple[int, int]) -> nn.Module:
    """The network up to what its classifier is given, with weights by chance: [batch, channels, height, width] ->
    [batch, width]. size: height and width.

    Raises UserError where timm has no such network, or it does not take images of that size.
    """
    return _created(name, channels, size)


def width_of(backbone: Any, name: str, channels: int, size: tuple[int, int]) -> int:
    """Of what it gives, which it is asked by an image: names of it differ from one network to the next. Raises
    UserError where images of that size are too small for its layers."""
    import torch

    training = backbone.training
    try:
        with torch.no_grad():
            features = backbone.eval()(torch.zeros(1, channels, *size))  # [1, width]
    except Exception as error:
        raise _unfit(name, size, error) from None
    backbone.train(training)
    if features.ndim != 2:
        raise UserError(f"model.backbone: {name} gives no vector an image but {list(features.shape[1:])}; take another")
    return int(features.shape[1])


def read_backbone(name: str, channels: int, size: tuple[int, int], file: Path) -> dict[str, Any]:
    """The backbone's tensors by their names, from a file: positions brought to this size, and the first layer to so
    many channels, as timm does it. Raises UserError where it is no safetensors, or of another network."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    where = shown(file)
    try:
        held = load_file(file)
    except (SafetensorError, OSError) as error:
        told = reason_of(error, 120)
        raise UserError(f"{where}: no weights as safetensors ({told}); nothing else is read, no pickle") from None
    own = _created(name, channels, size).state_dict()
    if lacking := sorted(own.keys() - held.keys()):
        raise UserError(f"{where}: has no {lacking[0]}; it is of another network than model.backbone says")
    try:
        filled = _created(name, channels, size, held).state_dict()
    except RuntimeError as error:
        told = " ".join(str(error).split())[-160:]
        raise UserError(f"{where}: is of another network than model.backbone says ({told})") from None
    return dict(filled)


def scale_of(backbone: Any, channels: int) -> dict[str, list[float]]:
    """What it was trained with: of each channel the mean to take off and the spread to divide by, of values up to
    255."""
    told = backbone.pretrained_cfg
    found = {"mean": [255 * one for one in told["mean"]], "spread": [255 * one for one in told["std"]]}
    return {key: [values[i % len(values)] for i in range(channels)] for key, values in found.items()}


def depths_of(backbone: Any, name: str) -> dict[str, int]:
    """By parameter, the layer it belongs to as timm groups them, from 0. Raises UserError where it does not."""
    from timm.models import group_parameters

    try:
        return dict(group_parameters(backbone, backbone.group_matcher(coarse=False), reverse=True))
    except (AttributeError, NotImplementedError, AssertionError):
        raise UserError(f"model.layer_decay: the layers of {name} cannot be told apart; leave it out") from None


def _created(name: str, channels: int, size: tuple[int, int], held: dict[str, Any] | None = None) -> Any:
    """held: the tensors of a file, that it begins with."""
    timm = _timm_of(name)
    settings: dict[str, Any] = {"num_classes": 0, "in_chans": channels}
    try:
        if timm.get_pretrained_cfg_value(name, "fixed_input_size"):
            settings["img_size"] = size
        if held is None:
            return timm.create_model(name, pretrained=False, **settings)
        return timm.create_model(name, pretrained=True, pretrained_cfg_overlay={"state_dict": dict(held)}, **settings)
    except Exception as error:
        if held is not None and isinstance(error, RuntimeError):
            raise  # of its tensors
        raise _unfit(name, size, error) from None


def _unfit(name: str, size: tuple[int, int], error: Exception) -> UserError:
    told = reason_of(error, 120)
    return UserError(
        f"model.backbone: {name} does not take images of {size[0]} x {size[1]} ({told}); see columns.images.*.size"
    )


def _from_hub(name: str) -> Path:
    place = _timm_of(name).get_pretrained_cfg_value(name, "hf_hub_id")
    if not place:
        raise UserError(f"model.backbone: the hub has no weights of '{name}'; name a file of them as model.weights")
    from huggingface_hub import hf_hub_download

    return from_hub(
        lambda kept: hf_hub_download(place, WEIGHTS, local_files_only=kept),
        f"model.weights: the hub did not give {place}",
        "name a file of them, relative to the project or absolute",
    )


def _timm_of(name: str) -> Any:
    """timm. Raises UserError where it has no network of that name, or of that one no weights with that tag (what
    stands behind the dot)."""
    timm = _timm()
    from timm.models import get_arch_pretrained_cfgs

    known, _, tag = name.partition(".")
    if ":" in name or not timm.is_model(known):
        raise UserError(f"model.backbone: timm has no '{name}'{did_you_mean(known, timm.list_models())}")
    if tag and name not in (tagged := list(get_arch_pretrained_cfgs(known))):
        raise UserError(f"model.backbone: timm has no '{name}'{did_you_mean(name, tagged)}")
    return timm


@cache
def _timm() -> Any:
    keep_quiet()
    declare_torchvision()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torchvision's, where it cannot read image files itself
            import timm
    except ImportError as error:
        raise UserError(
            f"model pretrained_image: needs timm ({error}); run: pip install -c constraints.txt -e '.[timm]'"
        ) from None
    return timm
