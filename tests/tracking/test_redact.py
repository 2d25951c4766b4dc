from __future__ import annotations

import subprocess

import pytest

from pipeline.tracking.commit import head_commit
from pipeline.tracking.redact import HIDDEN, is_telling, known_secrets, redact, scrub


@pytest.fixture(autouse=True)
def fresh_surroundings(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    known_secrets.cache_clear()
    yield
    known_secrets.cache_clear()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://me:hunter22@host:5000/x", f"https://{HIDDEN}@host:5000/x"),
        ("postgresql://u:p%40ss@db/optuna", f"postgresql://{HIDDEN}@db/optuna"),
        ("postgresql://u:ab/cd+ef==@db/optuna", f"postgresql://{HIDDEN}@db/optuna"),
        ("postgresql+psycopg://u:a?b#c@d@db/x", f"postgresql+psycopg://{HIDDEN}@db/x"),
        ("https://me:p@ss@host/x", f"https://{HIDDEN}@host/x"),
        ("http://me:ab/cd@host:5000", f"http://{HIDDEN}@host:5000"),
        ("postgresql://db/o?user=u&password=abc&x=1", f"postgresql://db/o?user=u&password={HIDDEN}&x=1"),
        ("https://host/path", "https://host/path"),
        ("sqlite:////tmp/a@b/mlflow.db", "sqlite:////tmp/a@b/mlflow.db"),
        ("got ghp_abcdefghijklmnopqrstuvwx0123", f"got {HIDDEN}"),
        ("AKIAABCDEFGHIJKLMNOP", HIDDEN),
        ("0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"),  # a digest
        ("mean squared error", "mean squared error"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text, expected):
    assert redact(text) == expected


def test_a_port_is_no_password():
    assert redact("see https://host:5000/x@y") == "see https://host:5000/x@y"


def test_secrets_of_the_surroundings_are_hidden(tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_KEY", "canary-of-the-environment")
    monkeypatch.setenv("SOME_STORE", "postgresql://user:canary%2Dof%2Dthe%2Durl@db/x")
    monkeypatch.setenv("OTHER_STORE", "mysql://user:canary/with/slashes@db/x")
    (tmp_path / ".kaggle").mkdir()
    (tmp_path / ".kaggle" / "kaggle.json").write_text('{"username": "u", "key": "canary-of-the-file"}')
    text = "a canary-of-the-environment b canary-of-the-file c canary-of-the-url d canary/with/slashes e"
    assert redact(text) == f"a {HIDDEN} b {HIDDEN} c {HIDDEN} d {HIDDEN} e"


def test_the_working_folder_is_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("PWD", str(tmp_path))
    assert redact(f"sqlite:///{tmp_path}/mlflow.db") == f"sqlite:///{tmp_path}/mlflow.db"


@pytest.mark.parametrize("key", ["password", "source.api_key", "db-password", "TOKEN", "kaggle.api key"])
def test_telling_names(key):
    assert is_telling(key)
    assert scrub({key: "abc", "other": ["abc"]}) == {key: HIDDEN, "other": ["abc"]}


@pytest.mark.parametrize("key", ["tokenizer", "max_tokens", "keys", "monkey", "author", "features.key"])
def test_names_that_only_look_telling(key):
    assert not is_telling(key)


def test_numbers_under_telling_names_stay():
    assert scrub({"token": 3, "secret": True}) == {"token": 3, "secret": True}


def test_commit_is_what_git_says(tmp_path):
    def git(*arguments: str, at=tmp_path) -> str:
        author = ["-c", "user.name=n", "-c", "user.email=e@x", "-c", "commit.gpgsign=false"]
        return subprocess.run(
            ["git", *author, *arguments], cwd=at, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    assert head_commit(tmp_path) is None  # no commit yet
    git("commit", "-q", "--allow-empty", "-m", "one")
    (tmp_path / "below").mkdir()
    assert head_commit(tmp_path / "below") == git("rev-parse", "HEAD")
    git("pack-refs", "--all")
    assert head_commit(tmp_path) == git("rev-parse", "HEAD")
    git("worktree", "add", "-q", "-b", "side", "beside")
    git("commit", "-q", "--allow-empty", "-m", "two", at=tmp_path / "beside")
    git("pack-refs", "--all")
    assert head_commit(tmp_path / "beside") == git("rev-parse", "side") != git("rev-parse", "HEAD")
    git("checkout", "-q", "--detach")
    assert head_commit(tmp_path) == git("rev-parse", "HEAD")
