"""The calling process: commands to its workers, and what comes of them."""
