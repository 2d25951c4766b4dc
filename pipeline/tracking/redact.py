"""Keeps secrets out of everything that is tracked: by where they are known to lie, and by their look."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

HIDDEN = "[redacted]"

SECRET_WORDS = frozenset(
    {"password", "passwd", "pwd", "passphrase", "secret", "secrets", "token", "apikey", "credential", "credentials"}
)
SECRET_PAIRS = frozenset({("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key"), ("auth", "key")})
MINIMUM_LENGTH = 6  # a shorter "secret" would blot out ordinary words

URL_USER = re.compile(r"(?<=://)[^/\s?#]+(?=@)")
ODD_USER = re.compile(
    r"(?i)(?<![\w+.-])(?!https?://(?:[^/\s?#]*@|[^/\s@]+:\d+/))([a-z][\w+.-]*://)([^:/\s@]{1,200}:[^\s'\"]{0,200})(?=@)"
)
"""A password with a slash as it is, as one made at random may have: drivers of databases take it, and whoever calls a
server by it is told that the address is none."""
URL_QUERY = re.compile(r"(?i)((?:^|[?&;\s])(?:\w*password|\w*token|api_?key|\w*secret)=)[^&;\s'\"]+")
KNOWN_LOOKS = re.compile(
    r"\b(?:AKIA[0-9A-Z]{16}|gh[opsur]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|hf_\w{20,}|sk-[\w-]{20,}"
    r"|xox[abpr]-[\w-]{10,}|KGAT_\w{16,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*)"
)


def redact(text: str) -> str:
    """``text`` without credentials of URLs, known tokens, and secrets of this process's surroundings."""
    for secret in known_secrets():
        text = text.replace(secret, HIDDEN)
    text = ODD_USER.sub(rf"\g<1>{HIDDEN}", text)
    text = URL_USER.sub(HIDDEN, text)
    text = URL_QUERY.sub(rf"\g<1>{HIDDEN}", text)
    return KNOWN_LOOKS.sub(HIDDEN, text)


def scrub(value: Any) -> Any:
    """``value`` (JSON values, arrays) with every text in it redacted, and values under telling keys."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {
            redact(str(key)): HIDDEN if isinstance(item, str) and item and is_telling(str(key)) else scrub(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [scrub(item) for item in value]
    return value


def is_telling(key: str) -> bool:
    """Whether a setting's name says that its value is a secret (``tokenizer`` and ``keys`` do not)."""
    words = [word for word in re.split(r"[^a-z0-9]+", key.lower()) if word]
    return not SECRET_WORDS.isdisjoint(words) or not SECRET_PAIRS.isdisjoint(pairwise(words))


@cache
def known_secrets() -> tuple[str, ...]:
    """Secrets in the environment and in Kaggle's files, longest first. Read once a process."""
    found = {secret for secret in (*_of_environment(), *_of_kaggle()) if len(secret) >= MINIMUM_LENGTH}
    return tuple(sorted(found, key=lambda secret: (-len(secret), secret)))


def _of_environment() -> Iterator[str]:
    for name, value in os.environ.items():
        telling = is_telling(name) or name.lower().split("_")[-1] in ("key", "pass")
        if telling and name not in ("PWD", "OLDPWD") and not value.startswith(("/", "~")):  # paths are not secret
            yield value.strip()
        for user in (*URL_USER.findall(value), *(user for _, user in ODD_USER.findall(value))):
            password = user.partition(":")[2]
            yield from (password, unquote(password))


def _of_kaggle() -> Iterator[str]:
    folders = [Path(os.environ.get("KAGGLE_CONFIG_DIR", "~/.kaggle")), Path("~/.kaggle"), Path("~/.config/kaggle")]
    for folder in folders:
        try:
            folder = folder.expanduser()
            if (file := folder / "kaggle.json").is_file():
                yield str(json.loads(file.read_text(encoding="utf-8"))["key"])
            if (file := folder / "access_token").is_file():
                yield file.read_text(encoding="utf-8").strip()
        except (OSError, RuntimeError, ValueError, KeyError, TypeError):
            continue  # unreadable for us is unreadable for whoever tracks; there is no secret to hide
