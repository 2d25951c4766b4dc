"""What several shelves of text stand on: tokenisers, vocabulary, cleaning."""
