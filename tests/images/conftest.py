"""Competitions of images, added as a person adds them."""

from __future__ import annotations

import pytest
import yaml

from pipeline.commands import add


@pytest.fixture
def added(bench):
    """Adds the competition ``toy`` from files in a folder."""

    def run(make, **said) -> dict:
        folder = bench.root / "in"
        folder.mkdir()
        make(folder)
        add.run("toy", source="in", **{"target": None, "id": None, "metric": None, "minutes": None, **said})
        return yaml.safe_load((bench.root / "params.yaml").read_text())

    return run
