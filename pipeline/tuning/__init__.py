"""Floor 5: searches over models' settings."""
