"""``python -m fastvec``."""

from fastvec.cli.main import run

run()
