"""Errors meant for people: the rule, the value received, what to do next."""

from __future__ import annotations

from collections.abc import Iterable


class UserError(Exception):
    """A fault the user can mend. The command line prints it in one line and exits with 2."""


class Diverged(UserError):
    """The loss became NaN or infinite. A study takes such a trial as a bad one and goes on, as it does with any other
    fault of a trial's own."""


class Faults(UserError):
    """Several faults found together, one line each.

    Raises nothing itself; build it with every fault known and raise it once.
    """

    def __init__(self, faults: Iterable[str]):
        self.faults = list(faults)
        super().__init__("\n".join(self.faults))

    def __reduce__(self) -> tuple[type, tuple[list[str]]]:
        return type(self), (self.faults,)  # so that it comes whole out of a worker process


def quoted(value: object, longest: int = 80) -> str:
    """A value as a message shows it: in one line, cut where it is long."""
    from reprlib import Repr

    short = Repr()
    short.maxstring = short.maxother = longest
    try:
        return " ".join(short.repr(value).split())
    except ValueError:  # as Python has it, which writes out none of those
        return "a number of more than 4300 digits"


def counted(number: int, thing: str) -> str:
    """Such as ``1 fold`` and ``3 folds``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def reason_of(error: Exception | str, most: int) -> str:
    """A library's own words in one line; where they are longer than that many letters, the end is left out and shows
    it; its kind, where it has none."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"


def not_utf8(name: str, error: UnicodeDecodeError) -> str:
    """What is wrong with a file of text."""
    return f"{name}: is not UTF-8 text ({error.reason} at byte {error.start})"


MOST_KNOWN = 100
"""Names that a hint lists."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint such as ``; did you mean 'linear'?``, or the known names, the first of many, when none is near."""
    from difflib import get_close_matches

    names = sorted(str(name) for name in known)
    same = [name for name in names if name.casefold() == str(word).casefold()]
    near = same or get_close_matches(str(word), names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean '{near[0]}'?"
    more = f", … {len(names) - MOST_KNOWN} more" if len(names) > MOST_KNOWN else ""
    return f"; known: {', '.join(names[:MOST_KNOWN])}{more}" if names else ""
