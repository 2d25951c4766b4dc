"""Metrics, params and tags of a run gathered into as few calls as MLflow's limits allow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

METRICS, PARAMS, TAGS = 1000, 100, 100  # most in one call ...
ENTITIES = 1000  # ... and in all
KEY, PARAM, TAG = 250, 6000, 5000  # longest texts


@dataclass
class Batch:
    """What waits to be logged for one run."""

    metrics: list[tuple[str, float, int, int]] = field(default_factory=list)
    """Key, value, milliseconds since 1970, step."""
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def calls(self) -> Iterator[dict[str, list[Any]]]:
        """Arguments of ``log_batch``, one call after the other."""
        from mlflow.entities import Metric, Param, RunTag

        params = [Param(allowed_key(key), cut(value, PARAM)) for key, value in self.params.items()]
        tags = [RunTag(allowed_key(key), cut(value, TAG)) for key, value in self.tags.items()]
        metrics = [Metric(allowed_key(key), value, time, step) for key, value, time, step in self.metrics]
        while params or tags or metrics:
            part: dict[str, list[Any]] = {"params": params[:PARAMS], "tags": tags[:TAGS]}
            room = min(METRICS, ENTITIES - len(part["params"]) - len(part["tags"]))
            yield {**part, "metrics": metrics[:room]}
            params, tags, metrics = params[PARAMS:], tags[TAGS:], metrics[room:]


def allowed_key(name: str) -> str:
    """A name as MLflow allows it."""
    return re.sub(r"[^/\w.\- :]", "_", name).strip("/")[:KEY] or "_"


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
