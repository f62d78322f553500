"""The pictures and tables of README and docs, from the files in ``benchmarks/results``."""
