"""Archives from strangers: what is safe is unpacked whole, and of the rest nothing is written."""

import gzip
import io
import stat
import tarfile
import zipfile

import pytest

from pipeline.core.errors import UserError
from pipeline.sources.archives import Limits, extract, is_archive, unpack


def make_zip(path, entries):
    """entries: (name or ZipInfo, content)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def make_tar(path, entries, mode="w:gz"):
    """entries: (name, content) or (TarInfo, None)."""
    with tarfile.open(path, mode) as archive:
        for name, content in entries:
            if isinstance(name, tarfile.TarInfo):
                archive.addfile(name)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def member(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def link_in_zip(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FILES = {"train.csv": b"a,b\n1,2\n", "images/0.txt": b"0", "empty.txt": b""}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_is_unpacked(tmp_path, mode):
    entries = [(member("./", tarfile.DIRTYPE), None), *((f"./{name}", content) for name, content in FILES.items())]
    archive = make_tar(tmp_path / "t.bin", entries, mode)
    assert is_archive(archive)
    extract(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == FILES


def test_a_zip_and_a_gz_are_unpacked_and_replace_the_folder(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.csv").touch()
    extract(make_zip(tmp_path / "t.zip", FILES.items()), tmp_path / "out")
    assert tree(tmp_path / "out") == FILES
    (tmp_path / "train.csv.gz").write_bytes(gzip.compress(b"a\n1\n"))
    extract(tmp_path / "train.csv.gz", tmp_path / "out")
    assert tree(tmp_path / "out") == {"train.csv": b"a\n1\n"}


GOOD = ("train.csv", b"a\n1\n")
BAD_ZIPS = {
    "parent": [GOOD, ("../evil.csv", b"x")],
    "parent within": [GOOD, ("a/../../evil.csv", b"x")],
    "absolute": [GOOD, ("/tmp/evil.csv", b"x")],
    "drive": [GOOD, ("C:/evil.csv", b"x")],
    "backslash": [GOOD, ("..\\evil.csv", b"x")],
    "link": [GOOD, (link_in_zip("link"), "/etc/passwd")],
    "twice": [GOOD, GOOD],
    "file and folder": [("a", b"x"), ("a/b", b"x")],
}
BAD_TARS = {
    "parent": [GOOD, ("../evil.csv", b"x")],
    "absolute": [GOOD, ("/tmp/evil.csv", b"x")],
    "symbolic link": [GOOD, (member("link", tarfile.SYMTYPE, "/etc"), None), ("link/evil.csv", b"x")],
    "link within": [GOOD, (member("link", tarfile.SYMTYPE, "train.csv"), None)],
    "hard link": [GOOD, (member("link", tarfile.LNKTYPE, "train.csv"), None)],
    "pipe": [GOOD, (member("pipe", tarfile.FIFOTYPE), None)],
    "device": [GOOD, (member("null", tarfile.CHRTYPE), None)],
    "twice": [GOOD, GOOD],
    "file and folder": [("a", b"x"), ("a/b", b"x")],
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("make", "entries"),
    [*((make_zip, entries) for entries in BAD_ZIPS.values()), *((make_tar, entries) for entries in BAD_TARS.values())],
    ids=[*(f"zip {name}" for name in BAD_ZIPS), *(f"tar {name}" for name in BAD_TARS)],
)
def test_an_unsafe_archive_is_refused_and_nothing_is_written(tmp_path, make, entries):
    archive = make(tmp_path / "in" / "t.bin", entries) if (tmp_path / "in").mkdir() is None else None
    before = (tmp_path / "in" / "t.bin").read_bytes()
    with pytest.raises(UserError, match="refused, nothing was unpacked") as caught:
        extract(archive, tmp_path / "in" / "out")
    assert "\n" not in str(caught.value)
    assert tree(tmp_path) == {"in/t.bin": before}
    assert not (tmp_path / "in" / "out").exists()


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize("name", ["n" * 300 + ".csv", "n" * 300 + "/train.csv"])
def test_a_name_too_long_for_a_disk_is_refused_in_a_line(tmp_path, make, name):
    archive = make(tmp_path / "t.bin", [GOOD, (name, b"x")])
    with pytest.raises(UserError, match=r"refused, nothing was unpacked.*longer than the disk takes") as caught:
        extract(archive, tmp_path / "out")
    assert len(str(caught.value)) < 250 and not (tmp_path / "out").exists()


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(size=5000), "more than 5,000 bytes"),
        (Limits(free=1000, ratio=3), "more than 3 times its size"),
        (Limits(count=1), "more than 1 files"),
    ],
)
def test_limits(tmp_path, make, limits, why):
    archive = make(tmp_path / "t.bin", [("a", bytes(4000)), ("b", bytes(4000))])
    with pytest.raises(UserError, match=why):
        extract(archive, tmp_path / "out", limits)
    assert [path.name for path in tmp_path.iterdir()] == ["t.bin"]


def test_a_gz_bomb_is_stopped_while_it_is_read(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(bytes(65 << 20)))
    with pytest.raises(UserError, match="more than 250 times its size"):
        unpack(tmp_path / "t.csv.gz")


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_cut_archive_is_damaged(tmp_path, make):
    import random

    archive = make(tmp_path / "t.bin", [("a", random.Random(0).randbytes(50_000)), GOOD])
    archive.write_bytes(archive.read_bytes()[:-2000])
    with pytest.raises(UserError, match=r"damaged|not a zip"):
        extract(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["t.bin"]


def test_a_wrong_checksum_is_damage(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("a", b"abcdefgh")
    content = (tmp_path / "t.zip").read_bytes()
    (tmp_path / "t.zip").write_bytes(content.replace(b"abcdefgh", b"abcdefgX"))
    with pytest.raises(UserError, match="damaged"):
        extract(tmp_path / "t.zip", tmp_path / "out")


def test_what_is_no_archive(tmp_path):
    (tmp_path / "t.zip").write_bytes(b"hello")
    assert not is_archive(tmp_path / "t.zip")
    with pytest.raises(UserError, match="not a zip, tar or gz archive"):
        extract(tmp_path / "t.zip", tmp_path / "out")
    with pytest.raises(UserError, match="no such file"):
        extract(tmp_path / "none.zip", tmp_path / "out")


def test_a_zipped_table_holds_one_file(tmp_path):
    with pytest.raises(UserError, match="holds one file, this one holds 2"):
        unpack(make_zip(tmp_path / "t.csv.zip", [("a.csv", b"x"), ("b.csv", b"y")]))
