"""How much rows count: what weights promise, and what counts rows by them."""
