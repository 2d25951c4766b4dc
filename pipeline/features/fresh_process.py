"""One's own columns answered in a process of their own, which remembers nothing of other rows.

What a function keeps between calls (in another module, in ``builtins``, in the environment) would else let it answer
half of the rows as it did all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.code import PACKAGE
from pipeline.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

_TOLD = 3
"""Exit code of a process that tells an error meant for people."""


def answered_afresh(
    path: str, rows: pd.DataFrame, targets: Sequence[str], environment: Mapping[str, str]
) -> pd.DataFrame:
    """What ``columns`` of the file gives for these rows. environment: as it was before the function first ran."""
    import pandas as pd

    with tempfile.TemporaryDirectory() as aside:
        given, made = Path(aside, "given.parquet"), Path(aside, "made.parquet")
        rows.reset_index(drop=True).to_parquet(given)
        asked = json.dumps({"path": path, "targets": list(targets), "given": str(given), "made": str(made)})
        places = os.pathsep.join(filter(None, (str(PACKAGE.parent), environment.get("PYTHONPATH"))))
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.features.fresh_process"],
            env={**environment, "PYTHONPATH": places},
            input=asked,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["it ended without a word"]
            raise UserError(last[0] if done.returncode == _TOLD else f"{path}: columns, in a new process: {last[0]}")
        return pd.read_parquet(made).set_axis(rows.index)


def _main() -> None:
    import pandas as pd

    from pipeline.features.own_columns import answered_by_file

    asked = json.load(sys.stdin)
    try:
        made = answered_by_file(asked["path"], pd.read_parquet(asked["given"]), asked["targets"])
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(_TOLD) from None
    made.to_parquet(asked["made"])


if __name__ == "__main__":
    _main()
