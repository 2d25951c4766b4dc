"""Which code a stage or a fit runs through, and its digest.

Shared code counts whole (``core``, ``training``, …: the packages that every fit of a stage runs through);
of the shelves only the modules of the parts at hand, with what these import from a shelf. A shelf's
``__init__``, which names all its parts, does not count: a new part changes nothing for the others.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.core.errors import UserError, not_utf8
from pipeline.core.kept_digests import kept_digest

PACKAGE = Path(__file__).parents[1]
SHARED = ("core", "training", "answering", "tuning", "reporting", "diagnosis", "tracking", "stages", "commands")
"""Packages that count whole, or not at all; all others are shelves."""

_IMPORT = re.compile(r"^[ \t]*from (pipeline(?:\.\w+)+) import (\([^)]*\)|[^\n]+)$", re.MULTILINE)


def modules_of(settings: Any) -> set[Path]:
    """Files of the parts in built settings, nested ones too, and files of one's own that they name: code, or data
    such as word vectors, which count all the same."""
    found: set[Path] = set()
    kind = type(settings)
    if kind.__module__.startswith("pipeline."):
        found.add(_file(kind.__module__))
        found.update(getattr(settings, "code_files", ()))
        found.update(*(modules_of(getattr(settings, name)) for name in getattr(kind, "__dataclass_fields__", ())))
    elif isinstance(settings, Mapping):
        found.update(*map(modules_of, settings.values()))
    elif isinstance(settings, list | tuple):
        found.update(*map(modules_of, settings))
    return {path for path in found if path.name != "__init__.py"}


def code_files(packages: Iterable[str], settings: Iterable[Any] = (), modules: Iterable[str] = ()) -> list[Path]:
    """Files of whole packages, of the parts in ``settings`` and of named modules, with the files of
    shelves that any of them import; sorted.

    packages: such as ``core``. modules: such as ``stages/train.py``.
    """
    waiting = {file for package in packages for file in _package(package)}
    waiting.update(PACKAGE / module for module in modules)
    waiting.update(*map(modules_of, settings))
    found: set[Path] = set()
    while waiting:
        file = waiting.pop()
        found.add(file)
        waiting.update(set(_shelf_imports(file)) - found)
    return sorted(found)


def code_digest(files: Iterable[Path]) -> str:
    """Digest of the files' names and contents, 16 hexadecimal digits."""
    total = hashlib.sha256()
    for file in files:
        total.update(f"{_shown(file)} {_digest_of(file)}\n".encode())
    return total.hexdigest()[:16]


def package_digests() -> dict[str, str]:
    """Of each Python file of the package, by its name in it."""
    return {_shown(file): _digest_of(file)[:16] for file in sorted(PACKAGE.rglob("*.py"))}


def hold_code(files: Iterable[Path]) -> None:
    """Serve these files, from now on, as they are at this moment to whoever imports them in this process and its
    forks: an edit while a stage runs changes nothing of that run. What is imported already stays as it is."""
    texts = {_module(file): file for file in files if file.is_relative_to(PACKAGE) and _is_code(file)}
    sys.meta_path.insert(0, _Held({name: (str(file), _text(file)) for name, file in texts.items()}))


class _Held(MetaPathFinder, Loader):
    """Imports modules from texts. texts: by module, its file and what it holds."""

    def __init__(self, texts: Mapping[str, tuple[str, str]]) -> None:
        self.texts = texts

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname not in self.texts:
            return None
        file, _ = self.texts[fullname]
        package = [str(Path(file).parent)] if file.endswith("__init__.py") else None
        spec = ModuleSpec(fullname, self, origin=file, is_package=package is not None)
        spec.submodule_search_locations = package
        spec.has_location = True
        return spec

    def exec_module(self, module: ModuleType) -> None:
        file, text = self.texts[module.__name__]
        exec(compile(text, file, "exec", dont_inherit=True), module.__dict__)


@cache
def _package(name: str) -> tuple[Path, ...]:
    return tuple(file for file in (PACKAGE / name).rglob("*.py"))


@cache
def _shelf_imports(file: Path) -> tuple[Path, ...]:
    found = []
    if not _is_code(file):
        return ()
    for module, names in _IMPORT.findall(_text(file)):
        if module.split(".")[1] in SHARED:
            continue
        targets = [module, *(f"{module}.{name.split(' as ')[0].strip()}" for name in names.strip("() \n").split(","))]
        found += [path for target in targets if (path := _file(target)).is_file() and path.name != "__init__.py"]
    return tuple(found)


@cache
def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{not_utf8(file.name, error)}; save it as UTF-8") from None


@cache
def _digest_of(file: Path) -> str:
    return hashlib.sha256(_text(file).encode()).hexdigest() if _is_code(file) else kept_digest(file)


def _is_code(file: Path) -> bool:
    return file.suffix == ".py"


def read_again() -> None:
    """Forget what files held: the next digest is of what they hold then."""
    for cached in (_package, _shelf_imports, _text, _digest_of):
        cached.cache_clear()


def _file(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _module(file: Path) -> str:
    parts = ("pipeline", *file.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _shown(file: Path) -> str:
    return "/".join(file.relative_to(PACKAGE).parts) if file.is_relative_to(PACKAGE) else file.name
