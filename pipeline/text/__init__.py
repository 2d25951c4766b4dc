"""What several shelves know of texts."""
