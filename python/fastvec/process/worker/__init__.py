"""A worker process: makes its envs, and steps them when it is told to."""
