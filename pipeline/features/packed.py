"""Arrays as JSON values: a fitted state keeps every bit of them, at a third more than their bytes."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import numpy as np


def pack(array: np.ndarray) -> dict[str, Any]:
    """Little-endian bytes as base64, with type and shape."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return {"type": array.dtype.name, "shape": list(array.shape), "base64": b64encode(little.tobytes()).decode()}


def unpack(value: Mapping[str, Any]) -> np.ndarray:
    """What ``pack`` packed, writeable and in native byte order."""
    dtype = np.dtype(value["type"])
    flat = np.frombuffer(b64decode(value["base64"]), dtype=dtype.newbyteorder("<"))
    return flat.astype(dtype).reshape(value["shape"])
