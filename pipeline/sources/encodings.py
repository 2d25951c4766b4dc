"""What bytes of text are written in, where nobody says: UTF-8, UTF-16 by its marks, else cp1252."""

from __future__ import annotations

import codecs

from pipeline.core.errors import UserError

AUTO = "auto"
"""Recognise the encoding, file by file."""
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_LOOKED_AT = 1 << 16


def encoding_of(data: bytes, name: str) -> str:
    """The encoding of a text file; raises UserError where it is none that is recognised."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return encoding
    begin = data[:_LOOKED_AT]
    # Latin text in UTF-16 has a zero in every second place.
    for place, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(begin) > 1 and begin[place::2].count(0) > len(begin) / 4 and begin[1 - place :: 2].count(0) == 0:
            return encoding
    if data.isascii() or _is_utf8(data, name):
        return "utf-8"
    try:
        data.decode("cp1252")
        return "cp1252"
    except UnicodeDecodeError:
        pass
    if 0 in begin:
        raise UserError(
            f"{name}: is no text, it holds zero bytes; is it a picture, workbook or archive by another name?"
        )
    raise UserError(
        f"{name}: is neither UTF-8, UTF-16 nor cp1252; say what it is written in, such as "
        "source.encoding: latin-1, shift_jis, gbk (`add --encoding`)"
    )


def _is_utf8(data: bytes, name: str) -> bool:
    """Raises UserError for UTF-8 with a few bytes that are not: it is damaged, and no cp1252."""
    try:
        data.decode()
        return True
    except UnicodeDecodeError as error:
        text = data.decode(errors="replace")
        bad = text.count("\ufffd")
        if sum(letter > "\x7f" for letter in text) - bad > bad:
            line = data.count(b"\n", 0, error.start) + 1
            raise UserError(
                f"{name} line {line}: byte 0x{data[error.start]:02x} is not valid UTF-8, and the rest is; mend it, or "
                "set source.encoding (`add --encoding`)"
            ) from None
        return False


def told_of_cp1252(data: bytes, name: str) -> str:
    """What to tell of a file that is read as cp1252, and of where it first is no UTF-8: one bad byte is enough."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line, byte = data.count(b"\n", 0, error.start) + 1, data[error.start : error.start + 1]
        return (
            f"{name} line {line}: byte 0x{byte.hex()} is not valid UTF-8, so the file was read as cp1252, as "
            f"{byte.decode('cp1252')!r}; if that looks wrong, mend it or set source.encoding"
        )
    return ""


def to_utf8(data: bytes, name: str, encoding: str) -> bytes:
    """Text as UTF-8 without a mark; raises UserError where it is not in this encoding."""
    encoding = encoding_of(data, name) if encoding == AUTO else encoding
    try:
        codec = codecs.lookup(encoding).name
        if codec not in ("utf-8", "utf-8-sig", "ascii"):
            data = data.decode(codec).encode()
    except LookupError:  # of those too that are between bytes, such as base64
        raise UserError(
            f"{name}: no encoding '{encoding}' is known; use auto, utf-8, cp1252, latin-1, utf-16, ..."
        ) from None
    except UnicodeError as error:
        raise UserError(_invalid(name, encoding, error)) from None
    while data.startswith(codecs.BOM_UTF8):  # some files have two
        data = data[len(codecs.BOM_UTF8) :]
    return data


def to_text(data: bytes, name: str, encoding: str) -> str:
    """The same, decoded."""
    try:
        return to_utf8(data, name, encoding).decode()
    except UnicodeDecodeError as error:
        raise UserError(_invalid(name, encoding, error)) from None


def _invalid(name: str, encoding: str, error: UnicodeError) -> str:
    where = ""
    if isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
        where = f" line {line}"
    return f"{name}{where}: not valid {encoding}; set the source's encoding right"
