"""Shelf ``tasks``."""

from pipeline.core.registry import Registry

tasks = Registry("task")
