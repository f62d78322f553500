"""Stateless functions of tensors as native code, kept per user: built once, then loaded in milliseconds."""
