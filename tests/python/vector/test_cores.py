"""usable_cores: affinity, and the quotas of control groups as containers set them, from faked files of the kernel's."""

from __future__ import annotations

import os
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import fastvec
from fastvec.bench import report
from fastvec.process import ProcessVectorEnv
from fastvec.vector import cores
from support.control_groups import Machine


def quota(version: int, group: Path, cores: float | None, period: int = 100_000) -> None:
    """Limit a group as the kernel shows it; None: no limit."""
    group.mkdir(parents=True, exist_ok=True)
    if version == 2:
        text = "max" if cores is None else str(int(cores * period))
        (group / "cpu.max").write_text(f"{text} {period}\n")
    else:
        (group / "cpu.cfs_quota_us").write_text(f"{-1 if cores is None else int(cores * period)}\n")
        (group / "cpu.cfs_period_us").write_text(f"{period}\n")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine that schedules this process on 16 cores, and limits nothing yet."""
    made = Machine(tmp_path)
    monkeypatch.setattr(cores, "_PROCESS", made.process)
    monkeypatch.setattr(cores, "_scheduled_cores", lambda: 16)
    return made


VERSIONS = pytest.mark.parametrize("version", [1, 2])


@VERSIONS
@pytest.mark.parametrize(
    ("limit", "expected"),
    [(0.01, 1), (0.5, 1), (1, 1), (1.5, 1), (2, 2), (2.5, 2), (2.999, 2), (3, 3), (16, 16), (64, 16), (None, 16)],
)
def test_quota_of_the_own_group_counts_in_whole_cores(version, limit, expected, machine):
    quota(version, machine.hierarchy(version, "/job") / "job", limit)
    assert fastvec.vector.cores.usable_cores() == expected


@VERSIONS
@pytest.mark.parametrize("period", [1_000, 33_333, 1_000_000])
def test_quota_is_taken_per_its_own_period(version, period, machine):
    quota(version, machine.hierarchy(version, "/job") / "job", 3, period)
    assert cores.usable_cores() == 3


@VERSIONS
@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((None, None, 2), 2),
        ((None, 2, None), 2),
        ((2, None, None), 2),
        ((8, 3, 5), 3),
        ((None, None, None), 16),
        ((0.5, 4, 8), 1),
    ],
)
def test_tightest_group_on_the_way_up_counts(version, limits, expected, machine):
    point = machine.hierarchy(version, "/pods/pod 7/container")
    for group, limit in zip(("pods/pod 7/container", "pods/pod 7", "pods"), limits, strict=True):
        quota(version, point / group, limit)
    quota(version, point / "pods/pod 7/sibling", 1)
    quota(version, point / "pods/pod 7/container/child", 1)
    assert cores.usable_cores() == expected


@VERSIONS
def test_groups_above_what_is_mounted_are_not_looked_for(version, machine):
    point = machine.hierarchy(version, "/job")
    quota(version, point / "job", 4)
    quota(version, point.parent, 1)
    assert cores.usable_cores() == 4


@VERSIONS
@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/docker/4f2a", "/docker/4f2a"),  # the container's own group is mounted as if it were the root
        ("/", "/"),  # a namespace of its own
        ("/elsewhere", "/docker/4f2a"),  # what can be seen counts
        ("/../other", "/"),
    ],
)
def test_container_that_sees_only_its_own_group(version, path, root, machine):
    quota(version, machine.hierarchy(version, path, root=root), 2)
    assert cores.usable_cores() == 2


@VERSIONS
def test_group_below_the_one_that_a_container_sees(version, machine):
    point = machine.hierarchy(version, "/docker/4f2a/job", root="/docker/4f2a")
    quota(version, point, 8)
    quota(version, point / "job", 3)
    assert cores.usable_cores() == 3


def test_both_versions_side_by_side(machine):
    quota(1, machine.hierarchy(1, "/one", name="cpu") / "one", 3)
    machine.hierarchy(1, "/one", name="memory", controllers="memory")
    unified = machine.hierarchy(2, "/two", name="unified")
    (unified / "two").mkdir()  # the controller for CPUs is version 1's: no cpu.max here
    assert cores.usable_cores() == 3


def test_mount_points_with_blanks_are_found(machine):
    quota(2, machine.hierarchy(2, "/job", name="control groups") / "job", 2)
    assert cores.usable_cores() == 2


@VERSIONS
@pytest.mark.parametrize(
    "text", ["", "\n", "max", "two 100000", "100000 0", "0 100000", "-5 100000", "200000.5 100000", "1 2 3", "\x00\xff"]
)
def test_limits_that_cannot_be_understood_limit_nothing(version, text, machine):
    point = machine.hierarchy(version, "/job")
    quota(version, point, 3)
    first, _, second = text.partition(" ")
    (point / "job").mkdir()
    files = {"cpu.max": text} if version == 2 else {"cpu.cfs_quota_us": first, "cpu.cfs_period_us": second}
    for name, content in files.items():
        (point / "job" / name).write_bytes(content.encode("latin-1"))
    assert cores.usable_cores() == 3  # the group above still counts


@pytest.mark.parametrize(
    "content", ["", "nonsense\n", "0:\n", "31 23 0:28 / /x rw\n", " - cgroup2\n", "\udcff - \udcff\n"]
)
@pytest.mark.parametrize("name", ["cgroup", "mountinfo"])
def test_process_files_that_cannot_be_understood_limit_nothing(name, content, machine):
    quota(2, machine.hierarchy(2, "/job") / "job", 2)
    (machine.process / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    assert cores.usable_cores() == 16


@pytest.mark.parametrize("name", ["cgroup", "mountinfo"])
def test_process_files_that_are_missing_limit_nothing(name, machine):
    quota(2, machine.hierarchy(2, "/job") / "job", 2)
    (machine.process / name).unlink()
    assert cores.usable_cores() == 16


def test_quota_that_changes_is_seen(machine):
    group = machine.hierarchy(2, "/job") / "job"
    quota(2, group, 2)
    assert cores.usable_cores() == 2
    quota(2, group, 4)
    assert cores.usable_cores() == 4


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_affinity_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(cores, "_PROCESS", tmp_path)
    before = os.sched_getaffinity(0)
    assert cores.usable_cores() == len(before)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert cores.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


class Pid(gymnasium.Env):
    """Says which process steps it."""

    observation_space = spaces.Box(0, 1, (1,))
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def pid(self):
        return os.getpid()


@VERSIONS
def test_half_a_core_gets_one_thread_and_one_worker(version, machine, closing):
    assert closing(fastvec.make_vec("CartPole-v1", 64)).num_threads == 16
    quota(version, machine.hierarchy(version, "/job") / "job", 0.5)
    assert closing(fastvec.make_vec("CartPole-v1", 64)).num_threads == 1
    workers = closing(fastvec.make_vec(Pid, 4))
    assert isinstance(workers, ProcessVectorEnv)
    assert workers.num_workers <= 1
    assert len(set(workers.call("pid"))) == 1
    assert closing(fastvec.make_vec("CartPole-v1", 64, num_threads=3)).num_threads == 3  # what is said counts


def test_nothing_else_counts_cores():
    package = Path(fastvec.__file__).parent
    counting = ("cpu_count", "sched_getaffinity", "hardware_concurrency")
    found = [path.name for path in package.rglob("*.py") if any(word in path.read_text() for word in counting)]
    assert found == ["cores.py"]


def test_benchmarks_and_trainers_ask_the_same_function(machine):
    quota(2, machine.hierarchy(2, "/job") / "job", 2)
    assert report.describe_machine()["cores"] == 2
    from fastvec.cli.bench import make_parser

    assert make_parser().get_default("num_threads") == 2


def test_torch_gets_no_more_threads_than_cores(machine, monkeypatch):
    torch = pytest.importorskip("torch")
    from fastvec.train import PPOConfig
    from fastvec.train.devices import threads_for

    large, config = torch.nn.Linear(4096, 4096), PPOConfig()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 16)
    assert threads_for(large, config) == 16
    quota(2, machine.hierarchy(2, "/job") / "job", 0.5)
    assert threads_for(large, config) == 1


def test_ranks_of_a_host_share_what_the_process_may_use(machine, closing):
    pytest.importorskip("torch")
    from fastvec.train.config import PPOConfig
    from fastvec.train.distributed import World
    from fastvec.train.env.source import make_envs

    quota(2, machine.hierarchy(2, "/job") / "job", 8)
    world = World(rank=0, size=2, local_rank=0, local_size=2)
    assert closing(make_envs("CartPole-v1", PPOConfig(num_envs=64), world=world)).num_threads == 4
