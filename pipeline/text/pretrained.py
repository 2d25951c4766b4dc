"""Pretrained encoders of texts: a folder as ``transformers`` saves it, held against what may be read from it.

Read are ``config.json``, ``tokenizer.json`` and weights as safetensors, and nothing else: no pickle, no code of the
folder's own, and no network where the folder is there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError, reason_of
from pipeline.core.files import shown
from pipeline.core.hub import from_hub, keep_quiet
from pipeline.core.operators import declare_torchvision
from pipeline.core.paths import main_root

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import nn

PACKAGE = "package:"
"""Before the name of an installed package that carries an encoder."""
CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
"""Where weights are in several files: which tensor is in which."""
SAFE = "model*.safetensors"
PICKLED = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
UNUSED = ("pooler.", "cls.", "lm_head.", "classifier.")
"""Weights that an encoder may lack: no text's vectors come through them."""
AFTER_PADDING = ("roberta", "xlm-roberta", "camembert")
"""Kinds whose positions are counted from behind the padding's."""


def find_encoder(encoder: str, *, weights: bool = True, decoder: bool = False) -> Path:
    """The folder of an encoder, held against the rules above.

    encoder: ``package:NAME``, an installed package that carries one; a folder, relative to the project or absolute; or
        else a name on the hub, which is asked only for what is not kept from before. weights: whether they are needed
        too. decoder: whether it has one, which writes texts.
    Raises UserError.
    """
    if encoder.startswith(PACKAGE):
        place = _of_package(encoder, () if decoder else (TOKENIZER,))
    elif not (place := main_root() / encoder).is_dir():
        place = _from_hub(encoder)
    files_of(place, weights=weights, decoder=decoder)
    return place


def files_of(folder: Path, *, weights: bool = True, decoder: bool = False) -> list[Path]:
    """All files that are read of an encoder; of one with a decoder, all but its tokenizer's. Raises UserError where it
    breaks a rule."""
    where = shown(folder)
    config = _read_json(folder / CONFIG, f"{where}: no {CONFIG}; name the folder of an encoder saved by transformers")
    settings = folder / "tokenizer_config.json"
    for name, values in ((CONFIG, config), (settings.name, _read_json(settings, "") if settings.is_file() else {})):
        if "auto_map" in values or values.get("trust_remote_code"):
            raise UserError(
                f"{where}: its {name} asks for code of its own (trust_remote_code), which is never run; "
                "use an encoder that transformers knows itself"
            )
    if decoder and not config.get("is_encoder_decoder"):
        raise UserError(f"{where}: has no encoder and decoder; use such as T5's, BART's or Marian's kind")
    if config.get("is_encoder_decoder") and not decoder:
        raise UserError(f"{where}: has an encoder and a decoder; use an encoder alone, such as BERT's kind")
    tensors = _weights(folder) if weights else []
    if decoder:
        return [folder / CONFIG, *tensors]
    if not (folder / TOKENIZER).is_file():
        raise UserError(
            f"{where}: has no {TOKENIZER}; write it with transformers: "
            "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
        )
    return [folder / CONFIG, folder / TOKENIZER, *tensors]


def _weights(folder: Path) -> list[Path]:
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        names = sorted(set(_read_json(folder / INDEX, "").get("weight_map", {}).values()))
        if names and all(Path(name).name == name and name.endswith(".safetensors") for name in names):
            if missing := [name for name in names if not (folder / name).is_file()]:
                raise UserError(f"{shown(folder)}: its {INDEX} names {missing[0]}, which is not there; copy it whole")
            return [folder / INDEX, *(folder / name for name in names)]
        raise UserError(f"{shown(folder / INDEX)}: needs names of safetensors files beside it, got {names[:3]}")
    found = sorted(file.name for pattern in PICKLED for file in folder.glob(pattern))
    if found:
        raise UserError(
            f"{shown(folder)}: weights are read from {WEIGHTS} alone, got {found[0]}, a pickle or the like that may "
            "run code; load it where you trust it, and save_pretrained(folder) writes safetensors"
        )
    raise UserError(f"{shown(folder)}: has no {WEIGHTS}; name the folder of an encoder saved by transformers")


def _read_json(path: Path, missing: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(missing) from None
    except ValueError as error:
        raise UserError(f"{shown(path)}: not valid JSON ({error}); copy the encoder's folder anew") from None
    if not isinstance(value, dict):
        raise UserError(f"{shown(path)}: needs a mapping; copy the encoder's folder anew")
    return value


def _of_package(encoder: str, beside: Sequence[str]) -> Path:
    """The one folder of a package that holds a configuration, weights, and what is to lie beside them. The package's
    code is not run."""
    name = encoder.removeprefix(PACKAGE)
    spec = find_spec(name) if name.isidentifier() and name != "__main__" else None
    if spec is None:
        raise UserError(
            f"{encoder}: no such package is installed; pip install {name.replace('_', '-')}, or name a folder or an "
            "encoder on the hub"
        )
    needed = (CONFIG, *beside)
    found = {
        config.parent
        for root in spec.submodule_search_locations or ()
        for config in Path(root).rglob(CONFIG)
        if all((config.parent / one).is_file() for one in needed) and list(config.parent.glob(SAFE))
    }
    if len(found) != 1:
        told = f"carries {len(found)} encoders" if found else "carries no encoder"
        raise UserError(
            f"{encoder}: the package {told}, where one folder with {', '.join(needed)} and safetensors is needed; name "
            "the encoder's folder"
        )
    return found.pop()


def _from_hub(name: str) -> Path:
    _quiet()
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise absent() from None
    wanted = [CONFIG, TOKENIZER, "tokenizer_config.json", SAFE, INDEX, "*.spm", "vocab.json"]
    return from_hub(
        lambda kept: snapshot_download(name, allow_patterns=wanted, local_files_only=kept),
        f"{name}: no such folder, and the hub did not give an encoder of that name",
        "name a folder, relative to the project or absolute",
    )


def absent() -> UserError:
    """What is told where ``transformers`` is not installed."""
    return UserError("a pretrained encoder needs transformers; run `pip install -e '.[pretrained]'`")


def _quiet() -> None:
    """And no threads of the tokenizer's, which forks would wait for."""
    keep_quiet()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


class Pieces:
    """Texts to the ids of an encoder's own tokenizer.

    maximum_length: pieces of a text with the specials around it; longer texts are cut.
    Raises UserError where the encoder has no positions for as many.
    """

    def __init__(self, folder: Path, maximum_length: int) -> None:
        config = _read_json(folder / CONFIG, f"{shown(folder)}: no {CONFIG}")
        self.padding = int(config.get("pad_token_id") or 0)
        self.count = int(config.get("vocab_size") or 0)
        longest = longest_of(config)
        if longest and maximum_length > longest:
            raise UserError(
                f"maximum_length: the encoder in {shown(folder)} knows {longest} positions, got {maximum_length}"
            )
        self._tokenizer = tokenizer_of((folder / TOKENIZER).read_text(encoding="utf-8"), shown(folder / TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(maximum_length)

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Pieces of each whole text, with the specials around it."""
        found = []
        for one in self._tokenizer.encode_batch(of_utf8(texts)):
            parts = [one, *one.overflowing]  # each with specials of its own
            pieces = sum(len(part.ids) - sum(part.special_tokens_mask) for part in parts)
            found.append(pieces + sum(one.special_tokens_mask))
        return found

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [one.ids or [self.padding] for one in self._tokenizer.encode_batch(of_utf8(texts))]


def of_utf8(texts: Sequence[str]) -> list[str]:
    """A lone surrogate is no character of UTF-8: it stands as a question mark."""
    return [text.encode("utf-8", "replace").decode("utf-8") for text in texts]


def tokenizer_of(text: str, where: str) -> Tokenizer:
    """The tokenizer that a ``tokenizer.json`` holds. Raises UserError."""
    _quiet()
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise absent() from None
    try:
        return Tokenizer.from_str(text)
    except Exception as error:
        raise UserError(f"{where}: no tokenizer ({reason_of(error, 120)})") from None


def pieces_of(model: bytes) -> Any:
    """Sentencepiece's processor of its own file."""
    from sentencepiece import SentencePieceProcessor

    return SentencePieceProcessor(model_proto=model)


@cache
def _transformers() -> Any:
    _quiet()
    declare_torchvision()
    try:
        import transformers
    except ImportError:
        raise absent() from None
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def read_network(folder: Path, kind: str = "AutoModel") -> nn.Module:
    """The encoder with its weights, as float32. kind: the class of transformers that builds it. Raises UserError where
    files or weights are no encoder's."""
    import torch

    transformers = _transformers()
    told: dict[str, Any] = {}
    for attention in ("sdpa", "eager"):
        try:
            network, told = getattr(transformers, kind).from_pretrained(
                folder,
                attn_implementation=attention,
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
            break
        except Exception as error:
            if attention == "eager" or not isinstance(error, ValueError):
                raise _unreadable(folder, error) from None
    lacking = sorted(name for name in told["missing_keys"] if not name.startswith(UNUSED))
    if lacking:
        raise UserError(f"{shown(folder)}: its weights lack {lacking[0]}; copy the encoder's folder anew")
    return network.eval()  # type: ignore[no-any-return]


def empty_network(config: Mapping[str, Any], kind: str = "AutoModel") -> nn.Module:
    """An encoder of this configuration with weights by chance, as float32 and without what only a pool of its own would
    need. Raises UserError for a configuration that transformers does not know."""
    import torch

    transformers = _transformers()
    try:
        settings = {key: value for key, value in config.items() if key not in ("dtype", "torch_dtype")}
        made = transformers.AutoConfig.for_model(**settings)
        network = getattr(transformers, kind).from_config(made, dtype=torch.float32)
    except Exception as error:
        reason = reason_of(error, 160)
        raise UserError(f"{CONFIG}: no encoder that transformers knows ({reason})") from None
    if "pooler" in dict(network.named_children()):
        network.pooler = None
    return network  # type: ignore[no-any-return]


def longest_of(config: Mapping[str, Any]) -> int | None:
    """Pieces that an encoder has positions for; None where there is no bound."""
    longest = config.get("max_position_embeddings")
    if longest and config.get("model_type") in AFTER_PADDING:
        longest -= int(config.get("pad_token_id") or 0) + 1
    return longest


def width_of(config: Mapping[str, Any]) -> int:
    """Of an encoder's vectors. Raises UserError for a configuration that does not tell it."""
    width = next((config[key] for key in ("hidden_size", "dim", "n_embd", "d_model") if key in config), None)
    if not isinstance(width, int):
        raise UserError(f"{CONFIG}: tells no hidden_size; name the folder of an encoder saved by transformers")
    return width


def keep_no_activations(network: Any) -> None:
    """Work out an encoder's activations anew on the way back (Chen et al. 2016)."""
    network.activation_checkpointing_enable({"use_reentrant": False})


def _unreadable(folder: Path, error: Exception) -> UserError:
    reason = reason_of(error, 160)
    return UserError(f"{shown(folder)}: no encoder that transformers reads ({reason})")
