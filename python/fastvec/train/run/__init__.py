"""A training run with its directory, its display and its records."""
