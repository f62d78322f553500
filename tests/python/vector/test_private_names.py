"""Tests use what users can: no test reaches for a private name, but for those listed here with their reasons."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.private_names import private_names

TESTS = Path(__file__).parents[2]

OTHERS = {"_exit", "_replace", "_dynamo", "_schema", "_cdata", "_local_scalar_dense"}
"""Documented names of Python's and PyTorch's that only look private."""

ALLOWED = {
    # Gymnasium's own private names, which the tests' envs are to have or to compare with.
    "vector/test_pending.py": {"_state"},
    "vector/test_timeouts.py": {"_state"},
    "support/train_envs.py": {"_elapsed_steps"},
    "integrations/test_skrl.py": {"_seed"},
    # Methods of classes that the test itself defines.
    "train/test_cuda_simulation_of_sac.py": {"_obs"},
    "integrations/sb3/test_stepping.py": {"_observation"},
    "train/test_masks.py": {"_info"},
    # Not yet public: how many cores and how much memory a machine has, a package that is missing, memory that runs out.
    "vector/test_cores.py": {"_PROCESS", "_scheduled_cores"},
    "vector/test_memory.py": {"_PROCESS", "_installed_memory"},
    "gpu_kernels/test_generate.py": {"_library", "_libcuxx", "_roots"},
    "process/test_arrays.py": {"_MOST_BUFFERS"},
    # The native loop of compiled programs, beneath CompiledLoop.
    "train/test_loop.py": {"_core"},
    # Bytes of one env's state, and what keeps MuJoCo's data alive: below what a vector offers.
    "native/test_snapshot.py": {"_fingerprint"},
    "sdk/test_authoring.py": {"_core"},
    "envs/mujoco/test_vector.py": {"_core", "_resources", "_references"},
}


def files() -> list[str]:
    return sorted(str(path.relative_to(TESTS / "python")) for path in (TESTS / "python").rglob("*.py"))


def test_no_test_reaches_for_a_private_name():
    found = {
        name: unlisted
        for name in files()
        if (unlisted := {*private_names((TESTS / "python" / name).read_text())} - OTHERS - ALLOWED.get(name, set()))
    }
    assert not found, "use a public name, or list it in this file with its reason"


def test_no_name_is_listed_that_nobody_reaches_for():
    for name, listed in ALLOWED.items():
        assert listed <= {*private_names((TESTS / "python" / name).read_text())}, name


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("envs._core.step", ["_core"]),
        ("self._mine, envs.__dict__, envs.step", []),
        ("from fastvec.cli.bench import _parser", ["_parser"]),
        ("from fastvec import _core", ["_core"]),
        ("monkeypatch.setattr(cores, '_PROCESS', 1)", ["_PROCESS"]),
        ("getattr(envs, '_core')", ["_core"]),
    ],
)
def test_private_names_are_found(source, expected):
    assert list(private_names(source)) == expected
