"""Env steps per second of the built-in envs beside their peers: `fastvec bench` with the settings of the README."""

from __future__ import annotations

import sys
from pathlib import Path

from fastvec.cli.bench import main

RESULT = Path(__file__).parent / "results" / "step.json"
SETTINGS = [
    *("CartPole-v1", "Pendulum-v1", "Acrobot-v1", "FrozenLake-v1"),
    *("--num-envs", "1,8,64,1024"),
    *("--against", "gymnasium,envpool"),
]

if __name__ == "__main__":
    sys.exit(main([*SETTINGS, "--output", str(RESULT), *sys.argv[1:]]))
