"""usable_memory: what is installed, and the limits of control groups as containers set them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastvec.vector import memory
from support.control_groups import Machine

GIB = 1 << 30
VERSIONS = pytest.mark.parametrize("version", [1, 2])


def limit(version: int, group: Path, size: int | str) -> None:
    """Limit a group as the kernel shows it."""
    group.mkdir(parents=True, exist_ok=True)
    (group / ("memory.max" if version == 2 else "memory.limit_in_bytes")).write_text(f"{size}\n")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of 16 GiB that limits nothing yet."""
    made = Machine(tmp_path)
    monkeypatch.setattr(memory, "_PROCESS", made.process)
    monkeypatch.setattr(memory, "_installed_memory", lambda: 16 * GIB)
    return made


def test_without_control_groups_it_is_what_is_installed(machine):
    assert memory.usable_memory() == 16 * GIB


@VERSIONS
@pytest.mark.parametrize(("size", "expected"), [(2 * GIB, 2 * GIB), (64 * GIB, 16 * GIB), ("max", 16 * GIB)])
def test_limit_of_the_own_group_counts(version, size, expected, machine):
    limit(version, machine.hierarchy(version, "/job", controllers="memory") / "job", size)
    assert memory.usable_memory() == expected


@VERSIONS
def test_tightest_group_on_the_way_up_counts(version, machine):
    point = machine.hierarchy(version, "/pod/container", controllers="memory")
    limit(version, point / "pod/container", 8 * GIB)
    limit(version, point / "pod", 3 * GIB)
    limit(version, point / "pod/sibling", GIB)
    assert memory.usable_memory() == 3 * GIB


def test_a_hierarchy_for_cpus_says_nothing_of_memory(machine):
    limit(1, machine.hierarchy(1, "/job", controllers="cpu,cpuacct") / "job", GIB)
    assert memory.usable_memory() == 16 * GIB


@VERSIONS
@pytest.mark.parametrize("text", ["", "-1", "2.5", "many"])
def test_limits_that_cannot_be_understood_limit_nothing(version, text, machine):
    limit(version, machine.hierarchy(version, "/job", controllers="memory") / "job", text)
    assert memory.usable_memory() == 16 * GIB


def test_this_machine_has_some():
    assert 1 << 20 < memory.usable_memory() < 1 << 50
