"""Floor 1: what every other part stands on. Imports nothing of Podium above it."""
