"""Environments as a trainer sees them."""
