"""The outbox of tracking records -> MLflow."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pipeline.core.paths import refuse_below
from pipeline.reporting.figures import draw
from pipeline.tracking.sender import deliver_waiting, work_in_background


def run(*, wait: float = 30.0, background: bool = False) -> None:
    """Deliver everything that waits, then return.

    wait: seconds to wait for a server that does not answer.
    background: the detached sender that stages start, which stays while they write.

    Raises UserError when records stay behind (they are kept).
    """
    if background:
        work_in_background(draw)
        return
    refuse_below()
    sender = deliver_waiting(draw, wait=wait)
    for refused in sender.refused:
        print(f"warning: MLflow did not take {refused}", file=sys.stderr)  # noqa: T201


def main(arguments: Sequence[str] | None = None) -> None:
    """``python -m pipeline.commands.track``, which starts faster than the whole command line."""
    import argparse

    from pipeline.core.errors import UserError

    parser = argparse.ArgumentParser(prog="python -m pipeline track")
    parser.add_argument("--background", action="store_true")
    parser.add_argument("--wait", type=float, default=30.0)
    chosen = parser.parse_args(arguments)
    try:
        run(wait=chosen.wait, background=chosen.background)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
