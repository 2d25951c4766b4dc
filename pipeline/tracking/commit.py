"""The git commit of the project, read from ``.git`` without starting git (which costs 5 ms and more)."""

from __future__ import annotations

from pathlib import Path


def head_commit(root: Path) -> str | None:
    """Hash of the commit checked out at ``root`` or above, or None outside a repository."""
    for folder in (root.resolve(), *root.resolve().parents):
        if (git := folder / ".git").exists():
            try:
                return _head(git)
            except OSError:
                return None
    return None


def _head(git: Path) -> str | None:
    if git.is_file():  # a worktree or submodule: the file names the folder
        git = git.parent / git.read_text(encoding="utf-8").partition("gitdir:")[2].strip()
    head = (git / "HEAD").read_text(encoding="utf-8").strip()
    if not head.startswith("ref:"):
        return head or None
    reference = head.partition("ref:")[2].strip()
    common = git / "commondir"
    folders = [git, git / common.read_text(encoding="utf-8").strip()] if common.is_file() else [git]
    for folder in folders:
        if (loose := folder / reference).is_file():
            return loose.read_text(encoding="utf-8").strip()
    for folder in folders:
        if (packed := folder / "packed-refs").is_file():
            for line in packed.read_text(encoding="utf-8").splitlines():
                commit, _, name = line.partition(" ")
                if name == reference:
                    return commit
    return None
