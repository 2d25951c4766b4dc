"""Floor 6: one file a stage, whose first line is ``in -> out``, and what runs them."""
