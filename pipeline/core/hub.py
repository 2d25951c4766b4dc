"""Files that the hub of Hugging Face keeps: those of before first, and only else the network."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pipeline.core.errors import UserError, reason_of


def keep_quiet() -> None:
    """No word to anybody of what is used here, and no bars of its own among ours: to be called before it is loaded."""
    for name in ("HF_HUB_DISABLE_TELEMETRY", "DISABLE_TELEMETRY", "HF_HUB_DISABLE_PROGRESS_BARS"):
        os.environ.setdefault(name, "1")


def from_hub(download: Callable[[bool], str], refusal: str, advice: str) -> Path:
    """Where the file or folder lies that the hub's own function downloads.

    download: given whether to look at what is kept alone. refusal, advice: what is told where there is none, before and
        after the reason.
    Raises UserError.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    with suppress(LocalEntryNotFoundError, HFValidationError):
        return Path(download(True))
    try:
        return Path(download(False))
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = reason_of(error, 120)
        raise UserError(f"{refusal} ({reason}); {advice}") from None
