"""Floor 5: what scores mean: whether models fit, whether data shifts or leaks, what may be by chance."""
