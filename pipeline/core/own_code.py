"""Python files of one's own: where they may lie, and what is in them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

from pipeline.core.code import PACKAGE
from pipeline.core.errors import UserError, not_utf8
from pipeline.core.paths import project_root


def check_own_file(path: str, folder: str) -> str:
    """The path, where it is a Python file below ``folder``; raises ValueError."""
    root = project_root()
    # There it is among what the stages depend on, so that an edit of it runs them again.
    if not (root / path).resolve().is_relative_to((root / folder).resolve()):
        raise ValueError(f"needs a file in {folder}/")
    if not path.endswith(".py") or place_of(path, folder) is None:
        raise ValueError("needs a Python file that exists in the project")
    return path


def place_of(path: str, folder: str) -> Path | None:
    """Where the file lies: beside the package that runs, which a served model brings along, or in the project."""
    for root in (PACKAGE.parent, project_root()):
        place = (root / path).resolve()
        if place.is_relative_to((root / folder).resolve()) and place.is_file():
            return place
    return None


def needed_place(path: str, folder: str, what: str) -> Path:
    """The same, of a file that is needed now; raises UserError beginning with ``what``."""
    place = place_of(path, folder)
    if place is None:
        raise UserError(f"{what}: no such file in {folder}/; put it back, or name another")
    return place


def load_own_file(place: Path, shown: str) -> ModuleType:
    """The file as a module, made anew at each call; raises UserError beginning with ``shown``."""
    try:
        text = place.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{shown}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{not_utf8(shown, error)}; save it as UTF-8") from None
    module = ModuleType(f"podium_own_{place.stem}")
    module.__file__ = str(place)
    sys.modules[module.__name__] = module  # dataclasses and the like look their module up by name
    try:
        # Compiled here rather than imported, so that no __pycache__ appears beside the file.
        exec(compile(text, shown, "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:
        raise UserError(f"{shown}: cannot be loaded: {described(error)}") from error
    return module


def described(error: BaseException) -> str:
    """An error of one's own code in one line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
