"""Floor 5: one file a stage, in data order. The first line of each is ``in -> out``."""
