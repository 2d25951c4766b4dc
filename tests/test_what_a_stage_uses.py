"""What a stage reads and runs through is declared, and digested."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from projects import ROOT

from pipeline.stages.project import load_project
from pipeline.stages.snapshot import model_files, stage_files

pytestmark = pytest.mark.timeout(900)  # whichever comes first waits for `two_runs`

NOT_DIGESTED = (
    ("pipeline/__main__.py", "reads the command line"),
    ("pipeline/core", "is digested whole"),
    ("pipeline/stages/runner.py", "threads, locks, dying with the parent"),
    ("pipeline/stages/snapshot.py", "hands the stage its settings"),
    ("pipeline/stages/project.py", "hands params.yaml to the shelves"),
    ("pipeline/stages/kept.py", "keeps what stages write as it is"),
    ("pipeline/stages/budget.py", "what there is time for, with a budget"),
    ("pipeline/stages/clock.py", "counts what stages take, for those with a budget"),
    ("pipeline/stages/costs.py", "notes what models took, which no output holds"),
    ("pipeline/stages/view.py", "shows what goes on"),
    ("pipeline/stages/records.py", "words for the tracker"),
    ("pipeline/stages/serving.py", "words for the tracker"),
    ("pipeline/stages/summaries.py", "words for the tracker"),
    ("pipeline/reporting/gradients.py", "pictures for the tracker"),
    ("pipeline/reporting/pictures.py", "pictures for the tracker"),
    ("pipeline/tracking", "tells MLflow what happened"),
)
"""Modules that cannot change what a stage writes, and why; ``core`` aside."""


def declared(family: str, key: str) -> tuple[list[str], list[str]]:
    """Deps and outs of a stage in dvc.yaml."""
    body = yaml.safe_load((Path(__file__).parents[1] / "dvc.yaml").read_text())["stages"][family]
    body = body.get("do", body)

    def filled(entries: list) -> list[str]:
        paths = [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]
        return [path.replace("${key}", key) for path in paths]

    outs = [*body["outs"], *body.get("metrics", ()), *body.get("plots", ())]
    return filled(body["deps"]), filled(outs)


def upstream(family: str, key: str) -> tuple[list[str], list[str]]:
    """Deps of a stage and of all stages whose outputs it hangs on, with these outputs; and its own outs."""
    stages = yaml.safe_load((Path(__file__).parents[1] / "dvc.yaml").read_text())["stages"]
    by_out = {out: name for name in stages if name != "check" for out in declared(name, key)[1]}
    deps, outs = declared(family, key)
    reached, waiting = [], list(deps)
    while waiting:
        reached.append(waiting.pop())
        if (maker := by_out.get(reached[-1])) is not None:
            also = {path for paths in declared(maker, key) for path in paths}
            waiting += sorted(also - {*reached, *waiting})
    return reached, outs


def outside(files: list[str], places: list[str]) -> list[str]:
    return [file for file in files if not any(file == place or file.startswith(f"{place}/") for place in places)]


@pytest.fixture(scope="module")
def traces(undisturbed) -> dict[str, dict]:
    notes = {path.stem: json.loads(path.read_text()) for path in (undisturbed.root / "trace").glob("*.json")}
    assert len(notes) == 9
    return notes


class TestWhatAStageUses:
    def stages(self, traces) -> list[tuple[str, str, dict]]:
        return [(*name.split("@"), notes) for name, notes in traces.items() if name != "check"]

    def test_its_code_is_digested(self, traces, undisturbed, monkeypatch):
        """Every file of Podium of which it calls a function."""
        monkeypatch.chdir(undisturbed.root)
        config = load_project()
        missing = {}
        for family, key, notes in self.stages(traces):
            files = set(stage_files(family, config, key))
            for model in config.models_of(key):
                files |= set(model_files(model))
            known = [str(file.relative_to(ROOT)) for file in files] + [place for place, _ in NOT_DIGESTED]
            executed = [file for file in notes["executed"] if not file.endswith("__init__.py")]
            if code := outside(executed, known):
                missing[family] = code
        assert missing == {}

    def test_its_data_is_written_by_stages_before_it(self, traces):
        missing = {}
        for family, key, notes in self.stages(traces):
            deps, outs = upstream(family, key)
            parents = {str(Path(out).parent) for out in outs}  # it may read what it writes aside
            data = [path for path in notes["read"] if path.startswith("data/") and ".part" not in path]
            if data := [path for path in outside(data, [*deps, *outs]) if str(Path(path)) not in parents]:
                missing[f"{family}@{key}"] = sorted(data)
        assert missing == {}

    def test_no_torch_where_no_network_trains(self, traces):
        heavy = {family for family, _, notes in self.stages(traces) if "torch" in notes["modules"]}
        assert heavy <= {"train", "tune", "retrain"}

    def test_no_mlflow_and_no_optuna_before_they_are_used(self, traces):
        stages = self.stages(traces)
        assert [family for family, _, notes in stages if "mlflow" in notes["modules"]] == []
        assert [family for family, _, notes in stages if "optuna" in notes["modules"]] == ["tune"]
