"""Python runs this at its start where the folder is on PYTHONPATH: it notes what a stage uses.

In ``trace/<stage>.json``: ``modules`` imported; ``executed``, files of Podium with a function called
by the stage's own ``run``; ``read``, files under ``data/`` opened by it.
"""

import atexit
import builtins
import json
import os
import sys
from pathlib import Path

executed, read = set(), set()


def _called(frame, event, argument):
    code = frame.f_code
    if "pipeline/" in code.co_filename and code.co_name != "<module>":
        if code.co_name == "run" and code.co_filename.endswith(f"pipeline/stages/{stage}.py"):
            executed.clear()  # what came before was the configuration
            read.clear()
        executed.add(code.co_filename)


def _importing(*arguments, **options):
    """Nothing is traced while libraries load, which would take twice as long."""
    global depth
    depth += 1
    sys.settrace(None)
    try:
        return load(*arguments, **options)
    finally:
        depth -= 1
        if depth == 0:
            sys.settrace(_called)


def _opened(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and "r" in (arguments[1] or ""):
        read.add(arguments[0])


def _write():
    root = os.environ["DVC_ROOT"]
    inside = {
        kind: sorted(os.path.relpath(path, root) for path in paths if path.startswith(root + os.sep))
        for kind, paths in (("executed", executed), ("read", read))
    }
    notes = {"modules": sorted(sys.modules), **inside}
    place = Path(root, "trace", f"{os.environ['DVC_STAGE']}.json")
    place.write_text(json.dumps(notes))


if "DVC_STAGE" in os.environ and sys.orig_argv[1:3] == ["-m", "pipeline"]:  # and not what a stage starts
    stage = os.environ["DVC_STAGE"].partition("@")[0]
    atexit.register(_write)
    sys.addaudithook(_opened)
    load, depth = builtins.__import__, 0
    builtins.__import__ = _importing
    sys.settrace(_called)
