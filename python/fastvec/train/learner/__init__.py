"""From the rows of a rollout to new parameters."""
