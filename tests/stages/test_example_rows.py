"""What a registered model says of itself."""

from __future__ import annotations

from pipeline.stages.serving import _first_rows


def test_a_row_of_an_example_ends_with_its_line_alone(tmp_path):
    (tmp_path / "test.csv").write_text("id,en\n1,a cat\u2028sees\n2,a\x85dog\n3,big\n", encoding="utf-8", newline="")
    assert _first_rows(tmp_path / "test.csv") == {"id": ["1", "2"], "en": ["a cat\u2028sees", "a\x85dog"]}
