"""Shares, spans and chances in words: a number that rounding would hide says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def percent(share: float, digits: int = 1) -> str:
    """A part of 1: 12.3%. What is neither none nor all is never rounded to these: < 0.1%, > 99.9%."""
    step = 10.0 ** -(digits + 2)
    if share in (0, 1):
        return f"{share:.0%}"
    if 0 < share < step / 2:
        return f"< {step:.{digits}%}"
    if 1 - step / 2 < share < 1:
        return f"> {1 - step:.{digits}%}"
    return f"{share:.{digits}%}"


def span(ends: Sequence[float], say: Callable[[float], str]) -> str:
    """From the first number to the last; one alone, where both read alike."""
    low, high = say(ends[0]), say(ends[-1])
    return low if low == high else f"{low} to {high}"


def p_value(p: float) -> str:
    """A p-value of two digits, with its sign: p 0.03, p < 0.01."""
    return "p < 0.01" if p < 0.005 else f"p {p:.2f}"
