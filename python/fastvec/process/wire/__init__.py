"""What parent and workers exchange, and how."""
