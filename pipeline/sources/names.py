"""How files are named in messages: never by an absolute path."""

from __future__ import annotations

from pathlib import Path

from pipeline.core.paths import project_root


def shown(path: Path) -> str:
    """The path relative to the project, or a file's folder and name where it lies elsewhere."""
    path = Path(path)
    absolute, root = path.absolute(), project_root().absolute()
    if absolute.is_relative_to(root):
        return str(absolute.relative_to(root))
    return f"{absolute.parent.name}/{absolute.name}" if absolute.parent.name else absolute.name
