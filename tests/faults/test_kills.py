"""kill -9 in the middle of each stage: the next ``dvc repro`` gives what an undisturbed one gives."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from projects import Project, three_models

from pipeline.core.files import MACHINE, read_json
from pipeline.stages.check import write as write_checked
from pipeline.stages.project import load_project
from pipeline.stages.runner import run_stage

pytestmark = pytest.mark.timeout(900)  # whichever comes first waits for `two_runs`

STAGES = {
    "fetch": ("lines", "raw"),
    "preprocess": ("lines", "features"),
    "train": ("lines", "cv/lines-trees"),
    "tune": ("lines", "tuned/lines-ridge"),
    "blend": ("lines", "plots"),
    "retrain": ("lines", "final/lines-ridge"),
    "submit": ("lines", "submission.csv"),
    "report": ("lines", "report"),
}
"""Each stage with a name, and what it writes (the last of it to appear)."""


def wait_for(condition, seconds: float = 60, every: float = 0.002):
    """The condition's first true value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail("what the test waits for did not come")
        time.sleep(every)
    return value


def stage_process(project: Project, stage: str, name: str, seconds: float = 60) -> int:
    """The process that holds the stage's lock, as soon as it does."""
    file = project.root / ".podium/locks" / f"{stage}-{name}"

    def holder() -> int:
        text = file.read_text() if file.exists() else ""
        return int(text) if text and Path(f"/proc/{text}").exists() else 0

    return wait_for(holder, seconds)


def gone(process: int) -> bool:
    """Whether the process lives no more (a zombie does not)."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def check(project: Project) -> None:
    """What DVC's own ``check`` does."""
    project.run("dvc", "repro", "--single-item", "check")


def forget(project: Project, *stages: str) -> None:
    """Take stages out of dvc.lock: else DVC brings their outputs out of its cache and runs nothing."""
    file = project.root / "dvc.lock"
    lock = yaml.safe_load(file.read_text())
    for stage in stages:
        del lock["stages"][stage]
    file.write_text(yaml.safe_dump(lock, sort_keys=False))


def part_of(output: Path) -> Path:
    """Where an output lies while it is written: a model's beside the stage's folder, others beside themselves."""
    if output.parent.name in ("cv", "tuned", "final"):
        return output.parent.with_name(f".{output.parent.name}.{output.name}.*.part")
    return output.with_name(f".{output.name}.*.part")


def kill_under_dvc(project: Project, stage: str, name: str, midway: bool) -> bool:
    """``dvc repro`` the stage alone and kill its process: as it begins, or once it writes.

    False where it was done with writing before that was seen.
    """
    if output := STAGES[stage][1] if "/" in STAGES[stage][1] else None:
        shutil.rmtree(project.data("lines", output), ignore_errors=True)  # a model that is whole is kept
        shutil.rmtree(project.root / ".podium/models", ignore_errors=True)
    repro = project.start("dvc", "repro", "--force", "--single-item", f"{stage}@{name}")
    process = stage_process(project, stage, name)
    if midway:
        output = project.data("lines", STAGES[stage][1])
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not gone(process):
            if any(part_of(output).parent.glob(part_of(output).name)):
                break
            time.sleep(0.001)
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    output, _ = repro.communicate(timeout=60)
    if repro.returncode == 0 and not midway:
        pytest.fail(f"dvc repro ended well though {stage} was killed:\n{output}")
    return repro.returncode != 0


def kill_at_rename(project: Project, stage: str, name: str) -> None:
    """Run the stage over what it wrote before, and kill it where its output takes its place.

    With -D strace stands aside, so the shell's own number is the stage's: it names the file aside.
    """
    output = project.data("lines", STAGES[stage][1])
    aside = str(part_of(output)).replace("*", f"$$-{MACHINE}")
    calls = "rename,renameat,renameat2"
    strace = f'exec strace -D -f -q -o /dev/null -P "{aside}" -e trace={calls} -e inject={calls}:signal=SIGKILL'
    again = " --again" if stage in ("train", "tune", "retrain") else ""
    killed = project.start("sh", "-c", f'{strace} "{sys.executable}" -m pipeline {stage} {name}{again}')
    text, _ = killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL, text


@pytest.fixture(scope="module")
def killed_and_mended(undisturbed, tmp_path_factory) -> tuple[dict[str, bytes], dict[str, bytes], str]:
    """Outputs of a project after kills in each of its stages, and after the one ``dvc repro`` behind them, which is
    given too.

    The last stage first, as a stage begins from what those before it wrote: so it stands whole.
    """
    project = undisturbed.copy(tmp_path_factory.mktemp("killed") / "project")
    for place, (stage, (name, _)) in reversed(list(enumerate(STAGES.items()))):
        forget(project, f"{stage}@{name}")
        early = place % 2 == 0  # of the two moments under DVC, one for each stage
        if not kill_under_dvc(project, stage, name, midway=not early):
            forget(project, f"{stage}@{name}")
            kill_under_dvc(project, stage, name, midway=False)
        if shutil.which("strace"):
            kill_at_rename(project, stage, name)
    torn = project.outputs()
    output = project.repro("--no-run-cache")
    return torn, project.outputs(), output


def test_killed_stages_are_made_good_by_the_next_repro(killed_and_mended, undisturbed):
    _, outputs, said = killed_and_mended
    assert [stage for stage in STAGES if f"> python -m pipeline {stage}\n" not in said] == [], said
    expected = undisturbed.outputs()
    assert outputs.keys() == expected.keys()
    assert [name for name in expected if outputs[name] != expected[name]] == []


def test_whatever_has_its_own_name_while_stages_lie_killed_is_whole(killed_and_mended, undisturbed):
    torn, _, _ = killed_and_mended
    expected = undisturbed.outputs()
    whole = {name: content for name, content in torn.items() if ".part" not in name}
    assert len(torn) - len(whole) >= 5, "hardly a stage was killed while it wrote"
    assert [name for name in whole if whole[name] != expected.get(name)] == []


@pytest.fixture(scope="module")
def checked(undisturbed, tmp_path_factory) -> Project:
    """A project, checked by DVC, of a model that trains for minutes unless it is killed, two folds at a time."""
    params = three_models()
    fit = {"optimizer": "sgd", "learning_rate": 1e-6, "epochs": 100_000}
    params["models"] = {"lines-linear": {**params["models"]["lines-linear"], "fit": fit}}
    params["execution"] = {"executor": "processes", "workers": 2}
    project = undisturbed.copy(tmp_path_factory.mktemp("checked") / "project")
    project.params(params)
    check(project)
    return project


class TestTheParentKilledAlone:
    @pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see who is whose child")
    def test_its_stage_and_the_folds_die_within_two_seconds(self, checked, undisturbed, tmp_path):
        project = checked.copy(tmp_path / "project")
        forget(project, "train@lines")
        first = project.start("dvc", "repro", "--single-item", "train@lines")
        stage = stage_process(project, "train", "lines")
        folds = wait_for(lambda: len(found := children(stage)) == 2 and found)
        first.kill()
        first.wait()
        wait_for(lambda: all(map(gone, [stage, *folds])), seconds=2)
        # The next run begins at once, with nobody beside it, and completes.
        project.params(three_models())
        assert "> python -m pipeline train\n" in project.repro("--no-run-cache")
        assert project.outputs() == undisturbed.outputs()

    def test_a_stage_that_was_not_yet_listening_finds_itself_orphaned(self, checked):
        """The parent dies while Python starts."""
        command = f'DVC_STAGE=train@lines "{sys.executable}" -m pipeline train & echo $!; kill -9 $$'
        parent = checked.start("sh", "-c", command)
        stage = int(parent.stdout.readline())
        parent.wait()
        time.sleep(0.1)
        if not gone(stage) and Path(f"/proc/{stage}/stat").read_text().rpartition(")")[2].split()[1] != "1":
            os.kill(stage, signal.SIGKILL)
            pytest.skip("orphans are not taken in by the first process here")
        wait_for(lambda: gone(stage), seconds=20)

    def test_a_second_train_beside_the_first_is_refused(self, checked):
        first = checked.start(sys.executable, "-m", "pipeline", "train", "lines")
        try:
            holder = stage_process(checked, "train", "lines")
            code = "from pipeline import __main__ as line; from pipeline.stages import runner; "
            code += "runner.LOCK_WAIT = 0.5; line.main()"  # seconds, for 10
            output = checked.run(sys.executable, "-c", code, "train", "lines", code=2)
        finally:
            first.kill()
            first.wait()
        assert holder == first.pid
        assert output == (
            f"error: train lines is being written by process {holder}; wait for it or stop it, then run again\n"
        )


def children(process: int) -> list[int]:
    text = Path(f"/proc/{process}/task/{process}/children")
    return [int(child) for child in text.read_text().split()] if text.exists() else []


class TestAStudyBrokenOff:
    def test_goes_on_as_if_it_had_not_been(self, undisturbed, tmp_path, monkeypatch):
        """Killed within a trial; killed again, and the journal's last line torn; then let alone."""
        trees = {
            **three_models()["models"]["lines-trees"],
            "fit": {"iterations": 400, "early_stopping": None},  # slow enough to be killed within a trial
            "tune": {"trials": 6, "space": {"model.learning_rate": {"log_float": [1e-2, 1e-1]}}},
        }
        whole = undisturbed.copy(tmp_path / "whole")
        whole.params({**three_models(), "models": {"lines-trees": trees}})
        monkeypatch.chdir(whole.root)
        write_checked(load_project())
        run_stage("train", "lines")
        broken = whole.copy(tmp_path / "broken")
        journal = broken.root / ".podium/studies/lines-trees.journal"
        for trials in (2, 4):
            running = broken.start(sys.executable, "-m", "pipeline", "tune", "lines")
            # Optuna's line 4 creates a trial.
            wait_for(lambda: journal.exists() and journal.read_text().count('"op_code":4') > trials)  # noqa: B023
            running.kill()
            running.wait()
        with journal.open("a") as stream:
            stream.write('{"op_code":6,"worker_id": "torn')
        for project in (whole, broken):
            monkeypatch.chdir(project.root)
            run_stage("tune", "lines")
        assert broken.outputs() == whole.outputs()
        trials = read_json(broken.data("lines", "tuned", "lines-trees", "trials.json"))["trials"]
        assert [trial["number"] for trial in trials] == list(range(6))
        assert journal.read_text().endswith("}\n")
        assert "torn" not in journal.read_text()
