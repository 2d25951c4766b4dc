"""What a library says of a fault, in a line of ours."""

from __future__ import annotations

from pipeline.core.errors import reason_of


def test_a_librarys_words_are_one_line_and_show_where_they_are_cut():
    assert reason_of(OSError("no such\n  host"), 40) == "no such host"
    assert reason_of(OSError("no such host at all"), 12) == "no such hos…"
    assert reason_of(OSError("/a/long/path/without/spaces"), 8) == "/a/long…"
    assert reason_of(ValueError(), 40) == "ValueError"
