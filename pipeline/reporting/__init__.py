"""Floor 5: figures, tables and the page."""
