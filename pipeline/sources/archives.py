"""Archives from strangers: zip, tar and gz, unpacked safely or not at all.

``tarfile``'s own filter can be escaped on some Python versions, so nothing here relies on it:
links and special files are refused, every name is checked before anything is written, and
size, ratio and count are capped by what really comes out, not by what the headers claim.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn, Protocol

from pipeline.core.errors import UserError
from pipeline.core.files import shown, whole_folder

BLOCK = 1 << 20
PACKED = (".gz", ".zip", ".bz2", ".xz")
"""Endings of the names of packed tables."""
_PACKERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError)


@dataclass(frozen=True)
class Limits:
    """What an archive may come to. ``ratio`` (unpacked to packed bytes) counts above ``free`` bytes."""

    size: int = 32 << 30
    ratio: int = 250
    free: int = 64 << 20
    count: int = 1_000_000


def is_archive(path: Path) -> bool:
    """Whether ``extract`` can open the file, by its content and not by its name."""
    return path.is_file() and (zipfile.is_zipfile(path) or _is_gzip(path) or _is_tar(path))


def extract(archive: Path, folder: Path, limits: Limits = Limits()) -> None:
    """Unpack a zip, tar (plain, gz, bz2, xz) or gz file into ``folder``, which replaces it whole.

    Raises UserError, with nothing written, for links and special files, absolute names, names
    with ``..``, names that stand twice, encrypted or damaged archives, and those over the limits.
    """
    with _readable(archive), whole_folder(folder) as aside:
        budget = _Budget(archive, limits)
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                _write_all(_zip_members(opened, budget), aside, budget)
        elif _is_tar(archive):
            _check_tar(archive, limits)
            with tarfile.open(archive) as tar:
                _write_all(_tar_members(tar, budget), aside, budget)
        elif _is_gzip(archive):
            with gzip.open(archive) as stream:
                _write_all(iter([(archive.name.removesuffix(".gz"), stream)]), aside, budget)
        else:
            raise UserError(f"{shown(archive)}: not a zip, tar or gz archive; unpack it by hand and name its folder")


def is_packed(path: Path) -> bool:
    """Whether ``unpack`` has something to unpack, by name or content."""
    return path.suffix.lower() in PACKED or _begin(path).startswith((*_PACKERS, b"PK\3\4"))


def _begin(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(6)


def unpack(path: Path, limits: Limits = Limits()) -> tuple[str, bytes]:
    """The name and the content of the one file in a gzip, bz2, xz or zip, told by its content and not by its name; of
    another file its own. Raises UserError for a workbook."""
    budget = _Budget(path, limits)
    name = path.with_suffix("").name if path.suffix.lower() in PACKED else path.name
    with _readable(path):
        begin = _begin(path)
        for mark, opener in _PACKERS.items():
            if begin.startswith(mark):
                with opener(path) as packed:
                    return name, b"".join(budget.read(packed))
        if not begin.startswith(b"PK\3\4") and path.suffix.lower() != ".zip":
            return name, path.read_bytes()
        with zipfile.ZipFile(path) as opened:
            if any(entry.startswith(("xl/", "content.xml")) for entry in opened.namelist()):
                raise UserError(f"{shown(path)}: is a workbook; save each sheet as CSV")
            members = [(name, stream) for name, stream in _zip_members(opened, budget) if not is_litter(name)]
            if len(members) != 1:
                raise UserError(f"{shown(path)}: a zipped table holds one file, this one holds {len(members)}")
            name, stream = members[0]
            with closing(stream):
                return PurePosixPath(name).name, b"".join(budget.read(stream))


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...
    def close(self) -> None: ...


class _Budget:
    """Counts what comes out of one archive and stops it at the limits."""

    def __init__(self, archive: Path, limits: Limits) -> None:
        self.archive, self.limits = archive, limits
        self.packed = max(archive.stat().st_size, 1) if archive.is_file() else 1
        self.size = self.count = 0
        self._names: set[str] = set()

    def read(self, stream: Readable) -> Iterator[bytes]:
        while block := stream.read(BLOCK):
            self.size += len(block)
            self._check_size(self.size)
            yield block

    def claim(self, size: int) -> None:
        """Refuse at once what the headers already own up to."""
        self._check_size(size)

    def _check_size(self, size: int) -> None:
        if size > self.limits.size:
            self.refuse(f"unpacks to more than {self.limits.size:,} bytes")
        if size > self.limits.free and size > self.packed * self.limits.ratio:
            self.refuse(f"unpacks to more than {self.limits.ratio} times its size")

    def name(self, name: str) -> str:
        """Check a member's name and count it."""
        parts = PurePosixPath(name).parts
        drive = len(name) > 1 and name[1] == ":"
        if not parts or name.startswith("/") or drive or ".." in parts or "\\" in name or "\0" in name:
            self.refuse(f"holds the name {name!r}, which leads out of its folder or is not a plain relative path")
        plain = "/".join(parts)
        if plain in self._names:
            self.refuse(f"holds the name {name!r} twice")
        self._names.add(plain)
        self.count += 1
        if self.count > self.limits.count:
            self.refuse(f"holds more than {self.limits.count:,} files")
        return plain

    def refuse(self, why: str) -> NoReturn:
        raise UserError(f"{shown(self.archive)}: refused, nothing was unpacked: the archive {why}")


def _zip_members(opened: zipfile.ZipFile, budget: _Budget) -> Iterator[tuple[str, Readable]]:
    """(name, open stream) of each file, after every entry was checked."""
    files = []
    for entry in opened.infolist():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            budget.refuse(f"holds a link or special file, {entry.filename!r}")
        if entry.flag_bits & 0x1:
            budget.refuse(f"is encrypted ({entry.filename!r}); unpack it by hand")
        # ``orig_filename``: ZipFile cuts names at a NUL and turns the system's separators round.
        name = budget.name(entry.orig_filename)
        if not entry.is_dir():
            files.append((name, entry))
    budget.claim(sum(entry.file_size for _, entry in files))
    for name, entry in files:
        yield name, opened.open(entry)


def _check_tar(archive: Path, limits: Limits) -> None:
    """Read a tar's headers through once, so that a bad one is refused before anything is written."""
    total = 0
    check = _Budget(archive, limits)
    with tarfile.open(archive) as tar:
        for member in tar:
            if not (member.isreg() or member.isdir()):
                check.refuse(f"holds a link or special file, {member.name!r}")
            if not _is_root(member):
                check.name(member.name)
            total += member.size
            check.claim(total)


def _tar_members(tar: tarfile.TarFile, budget: _Budget) -> Iterator[tuple[str, Readable]]:
    for member in tar:
        stream = tar.extractfile(member) if member.isreg() else None
        if stream is not None:
            yield budget.name(member.name), stream


def _is_root(member: tarfile.TarInfo) -> bool:
    return member.isdir() and member.name in (".", "./")


def _write_all(members: Iterator[tuple[str, Readable]], folder: Path, budget: _Budget) -> None:
    root = folder.resolve()
    for name, stream in members:
        target = folder / name
        if not target.resolve().is_relative_to(root):
            budget.refuse(f"holds the name {name!r}, which leads out of its folder")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with closing(stream), target.open("xb") as out:
                out.writelines(budget.read(stream))
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            budget.refuse(f"holds the name {name!r} as a file and as a folder")
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            budget.refuse(f"holds a name of {len(name)} characters, longer than the disk takes: {name[:40]!r}…")


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        if archive.exists():
            raise
        raise UserError(f"{shown(archive)}: no such file; check the source's path") from None
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile) or error.errno is None:  # as bz2 has it
            raise UserError(f"{shown(archive)}: the archive is damaged ({error}); download it again") from None
        raise
    except DAMAGED as error:
        raise UserError(f"{shown(archive)}: the archive is damaged ({error}); download it again") from None
    except (NotImplementedError, RuntimeError) as error:  # zipfile: unknown method, password needed
        raise UserError(f"{shown(archive)}: cannot be unpacked here ({error}); unpack it by hand") from None


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except DAMAGED:
        return False


def is_litter(name: str) -> bool:
    """Files that macOS and editors put beside the real ones."""
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith(".")
