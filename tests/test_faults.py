"""Full disks, read-only folders, broken files of DVC's, names meant for a shell: told plainly, nothing half written.

Killed stages are in ``faults/test_kills.py``, data with faults in ``test_bad_input.py``, params.yaml with
faults in ``test_bad_settings.py``, a tracking server lost midway in ``tracking/test_server.py``.
"""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from projects import Project, three_models

from pipeline.core.errors import UserError

pytestmark = pytest.mark.timeout(900)  # whichever comes first waits for `two_runs`

FILES = {
    "fetch": ("lines", "raw"),
    "preprocess": ("lines", "rows"),
    "train": ("lines", "cv"),
    "tune": ("lines", "tuned"),
    "retrain": ("lines", "final"),
    "blend": ("lines", "blend.json"),
    "submit": ("lines", "submission.csv"),
    "report": ("lines", "report"),
}
"""Each stage with a name, and something it writes."""


def can_mount() -> bool:
    """Whether this is root with the right to mount."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    tried = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    return tried.returncode == 0


needs_mount = pytest.mark.skipif(not can_mount(), reason="needs root and the right to mount a file system")


@contextmanager
def mounted(place: Path, *options: str) -> Iterator[Path]:
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", *options, str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def one_line(output: str) -> str:
    """The output, which must be one line of error."""
    lines = [line for line in output.splitlines() if not line.startswith("warning:")]
    assert len(lines) == 1, output
    assert lines[0].startswith("error: ")
    assert "Traceback" not in output
    return lines[0]


@pytest.fixture(scope="module")
def faulty(undisturbed, tmp_path_factory) -> Project:
    """A project whose faults are mended again at the end, when it must be as it was."""
    return undisturbed.copy(tmp_path_factory.mktemp("faulty") / "project")


def leftovers(project: Project) -> list[str]:
    return [name for name in project.outputs() if ".part" in name]


class TestAFullDisk:
    def run_stage(self, stage: str, name: str) -> bool:
        """The stage in this process: True when done, False when the fault was told as a user's."""
        import importlib

        from pipeline.stages.project import load_project

        module = importlib.import_module(f"pipeline.stages.{stage}")
        options = {"again": True} if stage in ("train", "tune", "retrain") else {}
        try:
            module.run(load_project(), name, **options)
        except UserError as error:
            assert "space" in str(error)
            return False
        except OSError as error:
            assert error.errno == errno.ENOSPC
            return False
        return True

    @needs_mount
    @pytest.mark.parametrize(
        ("stage", "name"),
        [(stage, name) for stage, (name, _) in FILES.items()],
    )
    def test_at_any_page_ends_the_stage_and_leaves_nothing(
        self, stage, name, faulty, undisturbed, monkeypatch, tmp_path
    ):
        """One page more each time, so that the disk is full at every file in turn."""
        monkeypatch.chdir(faulty.root)
        place = faulty.data("lines")
        kept = tmp_path / "kept"
        shutil.copytree(place, kept)
        failed = 0
        with mounted(place, "-t", "tmpfs", "-o", "size=64m", "none"):
            shutil.copytree(kept, place, dirs_exist_ok=True)
            before = faulty.outputs()
            used = int(
                subprocess.run(["du", "-s", "--block-size=4K", place], capture_output=True, check=True).stdout.split()[
                    0
                ]
            )
            for more in (0, 8, 1000) if stage == "report" else range(200):  # a page is slow to make
                subprocess.run(["mount", "-o", f"remount,size={4 * (used + more)}k", str(place)], check=True)
                if self.run_stage(stage, name):
                    break
                failed += 1
                assert faulty.outputs() == before
            else:
                pytest.fail("200 pages should be enough")
            assert failed > 0
            assert faulty.outputs() == before == {**before, **self.expected(undisturbed, place, faulty)}

    def expected(self, undisturbed: Project, place: Path, faulty: Project) -> dict[str, bytes]:
        inside = str(place.relative_to(faulty.data()))
        return {name: content for name, content in undisturbed.outputs().items() if name.startswith(f"{inside}/")}

    @pytest.mark.parametrize("stage", ["train", "submit"])
    def test_or_a_quota_is_one_line_and_a_later_run_completes(self, stage, faulty, undisturbed):
        """With a limit on the size of files, which needs no rights."""
        name, _ = FILES[stage]
        before = faulty.outputs()

        def small_files() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))

        again = ["--again"] if stage == "train" else []
        stage_run = faulty.start(sys.executable, "-m", "pipeline", stage, name, *again, preexec_fn=small_files)
        text, _ = stage_run.communicate(timeout=120)
        assert stage_run.returncode == 2, text
        assert "File too large" in one_line(text)
        assert faulty.outputs() == before
        faulty.podium(stage, name)
        assert faulty.outputs() == undisturbed.outputs()


class TestAReadOnlyFolder:
    @needs_mount
    def test_is_one_line_from_each_stage(self, faulty, undisturbed):
        with mounted(faulty.data(), "-o", "bind", str(faulty.data())):
            subprocess.run(["mount", "-o", "remount,bind,ro", str(faulty.data())], check=True)
            for stage in ("preprocess", "retrain", "submit"):
                again = ["--again"] if stage == "retrain" else []
                line = one_line(faulty.podium(stage, FILES[stage][0], *again, code=2))
                assert "Read-only file system" in line
        faulty.podium("submit", "lines")
        assert faulty.outputs() == undisturbed.outputs()

    @pytest.mark.skipif(sys.platform == "win32", reason="needs Unix permissions")
    def test_of_somebody_else_is_one_line(self, undisturbed, tmp_path_factory):
        project = undisturbed.copy(tmp_path_factory.mktemp("elses") / "project")
        command = [sys.executable, "-m", "pipeline", "train", "lines", "--again"]
        if os.geteuid() == 0:  # whom permissions do not stop
            if shutil.which("setpriv") is None:
                pytest.skip("needs setpriv to be somebody else than root")
            for folder in (project.root, *project.root.parents):
                folder.chmod(folder.stat().st_mode | 0o055) if str(folder).startswith("/tmp/pytest") else None
            (project.root / ".podium").mkdir(mode=0o777)
            (project.root / ".podium").chmod(0o777)
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
            if subprocess.run([*command[:4], sys.executable, "-c", "import numpy"], capture_output=True).returncode:
                pytest.skip("the environment's Python is closed to others")
        else:
            project.data("lines").chmod(0o555)
        line = one_line(project.run(*command, code=2))
        assert "Permission denied" in line
        assert project.outputs() == undisturbed.outputs()


class TestFilesOfDvc:
    @pytest.mark.parametrize("torn", ["", "half"])
    def test_a_torn_lock_file_is_told_with_the_way_out(self, torn, faulty, undisturbed):
        file = faulty.root / "dvc.lock"
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2].rpartition(b":")[0] if torn else b"")
        assert "dvc.lock" in faulty.repro(code=255)
        line = one_line(faulty.podium("check", code=2))
        assert line.startswith("error: dvc.lock: is empty or cut; delete it")
        file.unlink()
        faulty.run("dvc", "commit", "--force", "--quiet")
        assert faulty.run("dvc", "status").split() == ["check:", "always", "changed"]
        assert faulty.outputs() == undisturbed.outputs()

    @pytest.mark.parametrize("content", ["", '{"/a": {"wri'])
    def test_a_torn_rwlock_is_told_with_the_way_out(self, content, faulty):
        file = faulty.root / ".dvc/tmp/rwlock"
        file.write_text(content)
        line = one_line(faulty.podium("check", code=2))
        assert line == "error: .dvc/tmp/rwlock: is empty or cut; delete it and run `dvc repro`"
        file.unlink()

    def test_a_stale_rwlock_of_a_dead_process_does_not_stop_dvc(self, faulty):
        dead = subprocess.Popen(["true"])
        dead.wait()
        holder = f'{{"pid": {dead.pid}, "cmd": "dvc repro"}}'
        out = faulty.data("lines", "submission.csv")
        (faulty.root / ".dvc/tmp/rwlock").write_text(f'{{"write": {{"{out}": {holder}}}, "read": {{}}}}')
        faulty.repro("--force", "--single-item", "submit@lines")


DANGEROUS = [
    "a; touch P",
    "$(touch P)",
    "`touch P`",
    "a'; touch P; '",
    "../../etc",
    "../victim",
    "A b",
    "-rf",
    "a\nb",
    "",
]


@pytest.fixture(scope="module")
def named(undisturbed, tmp_path_factory) -> Project:
    project = undisturbed.copy(tmp_path_factory.mktemp("named") / "project")
    for folder in ("data/lines/cv/victim", "data/victim/raw", "victim/cv", "victim/raw"):
        (project.root / folder).mkdir(parents=True)
        (project.root / folder / "kept.txt").write_text("mine")
    return project


class TestNames:
    """DVC hands what it fills into a command line to the shell as it is: so no name is in one."""

    def test_no_command_line_holds_one(self):
        text = (Path(__file__).parents[1] / "dvc.yaml").read_text(encoding="utf-8")
        commands = re.findall(r"cmd: (.*)", text)
        assert len(commands) == text.count("cmd:") == 9
        assert all(re.fullmatch(r"python -m pipeline [a-z]+", command) for command in commands)

    @pytest.mark.parametrize("name", ["a; touch P", "../victim"])
    @pytest.mark.parametrize("shelf", ["models", "competitions"])
    def test_repro_refuses_it_before_any_stage(self, shelf, name, named):
        before, params = named.outputs(), three_models()
        if shelf == "models":
            params["models"][name] = params["models"].pop("lines-ridge")
        else:
            params["competitions"][name] = params["competitions"].pop("lines")
            for model in params["models"].values():
                model["competition"] = name
        named.params(params)
        output = named.repro(code=255)
        assert f"error: params.yaml: {shelf}: a name is" in output
        assert "Running stage 'check'" in output
        assert output.count("Running stage") == 1
        assert not list(named.root.rglob("P"))
        assert named.outputs() == before
        assert (named.root / "victim/cv/kept.txt").exists()
        named.params(three_models())
        named.podium("check")

    @pytest.mark.parametrize("name", DANGEROUS)
    def test_a_single_stage_refuses_it_too(self, name, named, monkeypatch):
        """As `dvc repro --single-item` would start it, which passes `check` by."""
        from pipeline.stages.runner import run_stage

        monkeypatch.chdir(named.root)
        with pytest.raises(UserError, match="a name is lower-case letters"):
            run_stage("train", name)
        monkeypatch.setenv("DVC_STAGE", f"train@{name}")
        with pytest.raises(UserError, match="a name is lower-case letters"):
            run_stage("train")

    def test_and_the_shell_never_sees_it(self, named):
        params = three_models()
        params["competitions"]["a; touch P #"] = params["competitions"].pop("lines")
        named.params(params)
        assert "failed to reproduce" in named.repro("--single-item", "train", code=255)
        assert not list(named.root.rglob("P"))
