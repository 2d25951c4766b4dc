"""How a column may be said to write its numbers or dates."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator

NUMBER_FORMATS = ("1,234.5", "1.234,5", "1 234,5", "1 234.5", "1'234.5")
"""The ways in which 1234.5 is written, the likeliest first."""

INEXACT = "~"
"""In front of these, where numbers may have a mark of how exact they are: ~3, <3, 3+."""


def is_date_format(form: str) -> bool:
    """Whether a format is of dates or clock times, as strptime has it; else it is of numbers."""
    return not form.removeprefix(INEXACT).startswith(NUMBER_FORMATS) and re.search(r"%[A-Za-z]", form) is not None


def _known(form: str) -> str:
    if form.removeprefix(INEXACT).startswith(NUMBER_FORMATS):
        return form
    if not is_date_format(form):
        raise ValueError(
            f"needs how the column writes 1234.5 ({'; '.join(NUMBER_FORMATS)}; its unit behind it), or its dates, such "
            "as %d.%m.%Y"
        )
    try:
        datetime.strptime(datetime(2020, 1, 31, 17, 5, tzinfo=UTC).strftime(form), form)
    except ValueError as error:
        raise ValueError(f"is no form of dates that strptime knows: {error}") from None
    return form


Format = Annotated[str, AfterValidator(_known)]
"""``1.234,5 €`` or ``%d.%m.%Y``: what ``columns.formats`` takes."""
