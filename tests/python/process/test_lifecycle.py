"""Opening, idling, closing: nothing stays behind."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import fastvec
from fastvec import errors
from support.compare import WORKERS
from support.sample_envs import Faulty

TESTS = Path(__file__).parents[1]  # where the package `support` is

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def children():
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return len(listed)


def resident_pages():
    return int(Path("/proc/self/statm").read_text().split()[1])


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@linux
@pytest.mark.parametrize("times", [50, pytest.param(400, marks=pytest.mark.slow)])
def test_opening_and_closing_many_times_leaks_nothing(times):
    def cycle():
        envs = fastvec.make_vec(Faulty, 2, num_workers=1, context="fork")
        envs.reset()
        envs.step(np.zeros(2, np.int64))
        envs.close()

    for _ in range(20):
        cycle()
    gc.collect()
    before = len(os.listdir("/proc/self/fd")), children(), len(Path("/proc/self/maps").read_text().splitlines())
    pages = resident_pages()
    for _ in range(times):
        cycle()
    gc.collect()
    after = len(os.listdir("/proc/self/fd")), children(), len(Path("/proc/self/maps").read_text().splitlines())
    assert after[:2] == before[:2]
    assert after[2] <= before[2] + 20
    assert (resident_pages() - pages) * os.sysconf("SC_PAGE_SIZE") < max(times * 40_000, 4 << 20)


@linux
def test_idle_workers_use_no_core():
    envs = fastvec.make_vec(Faulty, 8, num_workers=4)
    envs.reset()
    envs.step(np.zeros(8, np.int64))
    pids = set(envs.call("pid"))
    before = sum(cpu_seconds(pid) for pid in pids)
    begin = time.monotonic()
    time.sleep(2)
    used = sum(cpu_seconds(pid) for pid in pids) - before
    assert used < 0.05 * (time.monotonic() - begin)
    envs.close()


@linux
def test_closed_workers_are_gone():
    envs = fastvec.make_vec(Faulty, 4, num_workers=2)
    envs.reset()
    pids = set(envs.call("pid"))
    envs.close()
    envs.close()
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    for call in (envs.reset, lambda: envs.step(np.zeros(4, np.int64)), envs.recv, envs.render):
        with pytest.raises(errors.ClosedError):
            call()


class Closable(Faulty):
    def __init__(self, path=None):
        self.path = path

    def close(self):
        Path(self.path).touch()


@WORKERS
def test_close_closes_the_envs(num_workers, tmp_path):
    envs = fastvec.make_vec([lambda i=i: Closable(tmp_path / str(i)) for i in range(3)], num_workers=num_workers)
    envs.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2"]


@linux
def test_a_vector_that_is_dropped_ends_its_workers():
    envs = fastvec.make_vec(Faulty, 2, num_workers=2)
    pids = set(envs.call("pid"))
    del envs
    gc.collect()
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)


@linux
def test_a_program_that_forgets_to_close_ends():
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import fastvec\n"
        "from support.sample_envs import Faulty\n"
        "envs = fastvec.make_vec(Faulty, 2, num_workers=2, context='fork')\n"
        "envs.reset()\n"
        "print(*envs.call('pid'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(TESTS)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not any(os.path.exists(f"/proc/{pid}") for pid in done.stdout.split())


def test_workers_outlive_the_thread_that_made_them():
    import threading

    made = []
    thread = threading.Thread(target=lambda: made.append(fastvec.make_vec(Faulty, 2, num_workers=2)))
    thread.start()
    thread.join()
    made[0].reset()
    made[0].step(np.zeros(2, np.int64))
    made[0].close()
