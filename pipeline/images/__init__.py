"""Floor 2: how images are read, packed, and carried in the rows of a table."""
