"""The native backend: vectors of C++ envs."""
