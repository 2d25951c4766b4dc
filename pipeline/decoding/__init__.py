"""Shelf ``searches``: what comes next, token by token, by anything that goes on step by step from a state."""

from pipeline.core.registry import Registry

searches = Registry("search")

from pipeline.decoding import beam, exact, greedy, sampling  # noqa: E402,F401
