"""Shelf ``tasks``."""

from pipeline.core.registry import Registry

tasks = Registry("task")

from pipeline.tasks import classification, language_model, regression, several, translation  # noqa: E402,F401
