"""How messages show paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.core.files import shown


@pytest.mark.parametrize("place", ["DVC_ROOT", "working folder"])
def test_a_path_is_shown_as_one_that_leads_there(tmp_path, monkeypatch, place):
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    if place == "DVC_ROOT":
        monkeypatch.setenv("DVC_ROOT", str(project))
        monkeypatch.chdir(project / "data")
    else:
        monkeypatch.chdir(project)
    assert shown(project / "data" / "toy" / "models" / "ridge" / "cv.json") == "data/toy/models/ridge/cv.json"
    assert shown(project / "../elsewhere/data/ptb") == "../elsewhere/data/ptb"  # as params.yaml says it
    assert shown(project / "../project/data/ptb") == "data/ptb"
    assert shown("/srv/data/ptb") == shown(project / "/srv/data/ptb") == "/srv/data/ptb"
    assert shown("/srv") == "/srv"
    if place == "DVC_ROOT":
        assert shown(Path("../../new/rows.csv")) == "../../new/rows.csv"  # as the command line says it
        assert shown(Path("toy/raw")) == "data/toy/raw"
