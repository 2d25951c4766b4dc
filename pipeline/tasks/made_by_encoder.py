"""A target that the feature set encodes itself (next characters, the other sentence)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class MadeByEncoder:
    """Nothing to fit, nothing to keep: ``labels`` are among the encoded inputs."""

    def encode(self, target: pd.Series) -> None:
        return None

    def state(self) -> dict[str, Any]:
        return {}
