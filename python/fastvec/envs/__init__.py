"""The Python side of the built-in native envs, family by family, as cpp/envs has them."""
