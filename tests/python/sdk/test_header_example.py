"""The env on the first page of fastvec/env.hpp, which authors begin from."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fastvec
import fastvec.testing
from support.compiling import WARNINGS


def test_env_on_the_first_page_compiles_without_a_warning_and_conforms(compile_text: Callable[..., Path]):
    page = (Path(fastvec.get_include()) / "fastvec" / "env.hpp").read_text()
    example = re.search(r"^//   #include.*?^//   FASTVEC_PLUGIN.*?$", page, re.DOTALL | re.MULTILINE)
    assert example is not None
    code = re.sub(r"^//( {3})?", "", example.group(), flags=re.MULTILINE) + "\n"
    assert fastvec.load_plugin(compile_text(code, name="counter", flags=WARNINGS)) == ["counter/Counter-v0"]
    fastvec.testing.check_env("counter/Counter-v0")

    envs = fastvec.make_vec("counter/Counter-v0", num_envs=2, goal=3)
    observations, _ = envs.reset(seed=0)
    for _ in range(4):  # it begins at -1, 0 or 1
        observations, rewards, terminations, _, _ = envs.step(np.ones(2, np.int64))
        if terminations.any():
            break
    assert terminations.any()
    assert observations[terminations].tolist() == [[3.0]] * terminations.sum()
    assert rewards.tolist() == terminations.tolist()
    envs.close()
