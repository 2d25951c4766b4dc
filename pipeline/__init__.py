"""Podium: from a competition's raw files to a submission, one DVC stage at a time."""

__version__ = "0.1.0"
