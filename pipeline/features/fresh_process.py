"""One's own columns answered in a process of their own, which remembers nothing of other rows.

What a function or a class keeps between calls (in another module, in ``builtins``) would else let it answer half of the
rows as it did all of them, or one fold by what another taught.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.code import PACKAGE
from pipeline.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

_TOLD = 3
"""Exit code of a process that tells an error meant for people."""


def answered_afresh(path: str, rows: pd.DataFrame, targets: Sequence[str]) -> pd.DataFrame:
    """What ``columns`` of the file gives for these rows."""
    return _asked({"path": path, "targets": list(targets)}, rows)[0].set_axis(rows.index)


def learned_afresh(path: str, rows: pd.DataFrame, targets: Sequence[str]) -> dict[str, Any]:
    """What the class of the file learns from these rows, as JSON values. targets: columns of ``rows`` that are the
    target, none where the class does not ask for it."""
    return _asked({"path": path, "targets": list(targets), "learn": True}, rows)[1]


def transformed_afresh(path: str, rows: pd.DataFrame, learned: Mapping[str, Any]) -> pd.DataFrame:
    """The columns that the class of the file gives for these rows by what it has learned."""
    return _asked({"path": path, "learned": dict(learned)}, rows)[0].set_axis(rows.index)


def _asked(question: dict[str, Any], rows: pd.DataFrame) -> Any:
    import pandas as pd

    with tempfile.TemporaryDirectory() as aside:
        given, made = Path(aside, "given.parquet"), Path(aside, "made.parquet")
        rows.reset_index(drop=True).to_parquet(given)
        places = os.pathsep.join(filter(None, (str(PACKAGE.parent), os.environ.get("PYTHONPATH"))))
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.features.fresh_process"],
            env={**os.environ, "PYTHONPATH": places},
            input=json.dumps({**question, "given": str(given), "made": str(made)}),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["it ended without a word"]
            told = last[0] if done.returncode == _TOLD else f"{question['path']}: in a new process: {last[0]}"
            raise UserError(told)
        if question.get("learn"):
            return None, json.loads(made.with_suffix(".json").read_text())
        return pd.read_parquet(made), None


def _main() -> None:
    import pandas as pd

    from pipeline.features import learned
    from pipeline.features.own_columns import answered_by_file

    asked = json.load(sys.stdin)
    path, rows, made = asked["path"], pd.read_parquet(asked["given"]), Path(asked["made"])
    try:
        if asked.get("learn"):
            target = rows[asked["targets"]].squeeze(axis=1) if asked["targets"] else None
            state = learned.learned(path, rows.drop(columns=asked["targets"]), target)
            made.with_suffix(".json").write_text(json.dumps(state))
        elif "learned" in asked:
            learned.transformed(path, asked["learned"], rows).to_parquet(made)
        else:
            answered_by_file(path, rows, asked["targets"]).to_parquet(made)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(_TOLD) from None


if __name__ == "__main__":
    _main()
