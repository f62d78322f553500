"""The ALE backend: ale-py's own C++ vector env behind ``fastvec.VectorEnv``."""
