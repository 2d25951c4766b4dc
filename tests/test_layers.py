"""The house stands: imports go down only, and reading a configuration stays light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "sklearn", "scipy", "pandas", "pyarrow", "lightgbm", "optuna", "mlflow", "matplotlib", "skops")


def test_imports_only_go_down():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def loaded_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name for name in HEAVY if name in done.stdout.split()}


def test_the_command_line_loads_no_heavy_library():
    assert loaded_after("import pipeline.__main__") == set()


def test_reading_the_configuration_loads_no_heavy_library():
    assert loaded_after("from pipeline.stages.project import shelves; shelves()") == set()


def test_files_stay_short():
    files = [path for folder in ("pipeline", "tests") for path in (ROOT / folder).rglob("*.py")]
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: count for name, count in lines.items() if count > 350} == {}, "the design wants a new part"
