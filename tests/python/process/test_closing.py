"""``close`` waits for the envs, and says what did not go well."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import fastvec
from fastvec.process.parent import closing as closing_module
from support.sample_envs import Faulty

TESTS = Path(__file__).parents[1]


class Closing(Faulty):
    """What it does when it is closed depends on its name: ``fail``, ``hang``, ``exit`` or ``wait`` for a file."""

    def __init__(self, folder, name="file"):
        super().__init__()
        self.folder, self.name = Path(folder), name

    def close(self):
        (self.folder / f"{self.name} begins").touch()
        if self.name.startswith("fail"):
            raise OSError(f"the disk of {self.name} is full")
        if self.name.startswith("hang"):
            time.sleep(3600)
        if self.name.startswith("exit"):
            os._exit(4)
        while self.name.startswith("wait") and not (self.folder / "gate").exists():
            time.sleep(0.001)
        (self.folder / self.name).write_text("saved")


def make(folder, *names, num_workers=None, **kwargs):
    env_fns = [lambda name=name: Closing(folder, name) for name in names]
    return fastvec.make_vec(env_fns, num_workers=num_workers or len(names), context="fork", **kwargs)


def until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def pids_of(envs):
    return set(envs.call("pid"))


def are_gone(pids):
    return not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_close_waits_as_long_as_the_envs_need(tmp_path, monkeypatch):
    envs = make(tmp_path, "wait 0", "wait 1")
    envs.reset()
    looks = iter(range(1_000_000))

    def clock():
        """An hour later at every look; the envs may go on after some days."""
        look = next(looks)
        if look == 50:
            (tmp_path / "gate").touch()
        return 3600.0 * look

    monkeypatch.setattr(closing_module.time, "monotonic", clock)
    envs.close()
    assert (tmp_path / "wait 0").read_text() == (tmp_path / "wait 1").read_text() == "saved"


def test_close_waits_for_a_call_that_was_given_up_by_nobody(tmp_path):
    envs = make(tmp_path, "a", "b", batch_size=2)
    envs.async_reset()
    envs.close()
    assert (tmp_path / "a").exists()
    assert (tmp_path / "b").exists()


def test_worker_that_does_not_close_in_time_is_killed_and_named(tmp_path):
    envs = make(tmp_path, "a", "b", "hang 2", "d", num_workers=2)
    pids = pids_of(envs)
    with pytest.warns(RuntimeWarning, match=r"worker 1 \(envs 2 to 3\) was killed: it did not close .* 1.5 sec"):
        envs.close(timeout=1.5)
    assert envs.closed
    assert are_gone(pids)
    assert (tmp_path / "a").exists()
    assert (tmp_path / "b").exists()


def test_terminate_kills_at_once_and_in_silence(tmp_path):
    envs = make(tmp_path, "a", "hang")
    pids = pids_of(envs)
    envs.close(terminate=True)
    assert are_gone(pids)
    assert not list(tmp_path.iterdir())


def test_interrupt_while_closing_kills_the_workers_that_are_left(tmp_path):
    envs = make(tmp_path, "a", "hang 1", "hang 2", num_workers=3)
    pids = pids_of(envs)
    main = threading.main_thread().ident

    def interrupt():
        until(lambda: all((tmp_path / f"hang {i} begins").exists() for i in (1, 2)))
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with (
        pytest.warns(RuntimeWarning, match=r"worker 1 \(env 1\) was killed: close was interrupted\nworker 2"),
        pytest.raises(KeyboardInterrupt),
    ):
        envs.close()
    thread.join()
    assert are_gone(pids)
    envs.close()


def test_env_that_fails_to_close_is_named_and_the_others_are_closed(tmp_path):
    envs = make(tmp_path, "a", "fail 1", "c", "fail 3", num_workers=1)
    pids = pids_of(envs)
    with pytest.raises(fastvec.EnvError, match="the disk of fail 1 is full") as caught:
        envs.close()
    assert [env for env, _ in caught.value.failures] == [1, 3]
    assert isinstance(caught.value.__cause__, OSError)
    assert (tmp_path / "a").exists()
    assert (tmp_path / "c").exists()
    assert are_gone(pids)
    assert envs.closed
    envs.close()


def test_many_failures_to_close_do_not_block(tmp_path):
    envs = make(tmp_path, *[f"fail {'long' * 10} {i}" for i in range(400)], num_workers=1)
    with pytest.raises(fastvec.EnvError) as caught:
        envs.close()
    assert len(caught.value.failures) == 400


def test_worker_that_exits_while_it_closes_is_named(tmp_path):
    envs = make(tmp_path, "exit", "b", "c", num_workers=2)
    with pytest.warns(RuntimeWarning, match=r"worker 0 \(env 0\) exited with status 4 while it closed its envs"):
        envs.close()
    assert (tmp_path / "b").exists()


def test_envs_are_closed_when_another_cannot_be_made(tmp_path):
    def broken():
        raise OSError("no licence")

    env_fns = [lambda: Closing(tmp_path, "a"), lambda: Closing(tmp_path, "fail b"), broken]
    with pytest.raises(fastvec.EnvError, match="no licence"):
        fastvec.make_vec(env_fns, num_workers=2, context="fork")
    assert (tmp_path / "a").exists()
    assert (tmp_path / "fail b begins").exists()


def test_envs_of_a_vector_that_is_dropped_are_closed(tmp_path):
    envs = make(tmp_path, "a", "b")
    envs.reset()
    pids = pids_of(envs)
    del envs
    gc.collect()
    assert are_gone(pids)
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == "saved"


PROGRAM = """
import sys
import numpy as np
sys.path.insert(0, {tests!r})
from process.test_closing import make

envs = make({folder!r}, "a", "b")
envs.reset()
{last}
"""


def run(folder, last):
    program = PROGRAM.format(tests=str(TESTS), folder=str(folder), last=last)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("last", ["pass", "raise SystemExit(0)"])
def test_program_that_forgets_to_close_closes_its_envs(last, tmp_path):
    done = run(tmp_path, last)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == "saved"


def test_program_with_a_hung_env_ends(tmp_path):
    done = run(tmp_path, f"envs.step(np.array([0, {Faulty.HANG}]), timeout=0.1)")
    assert done.returncode == 1
    assert "TimeoutError" in done.stderr
    assert "worker 1 (env 1) was killed: it did not finish a call" in done.stderr
    assert (tmp_path / "a").exists()


def test_program_with_a_lost_worker_ends(tmp_path):
    done = run(tmp_path, f"envs.step(np.array([0, {Faulty.KILL}]))")
    assert done.returncode == 1
    assert "WorkerError" in done.stderr.splitlines()[-1]
    assert (tmp_path / "a").exists()


def test_child_process_of_a_program_closes_its_own_envs(tmp_path):
    last = f"""
envs.close()
import multiprocessing

def work():
    global kept
    kept = make({str(tmp_path)!r}, "c", "d")

process = multiprocessing.get_context("fork").Process(target=work)
process.start()
process.join()
"""
    done = run(tmp_path, last)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "c").exists()
    assert (tmp_path / "d").exists()


def test_close_after_a_step_that_timed_out_gives_it_a_second_chance(tmp_path):
    class Gated(Closing):
        def step(self, action):
            while action and not (self.folder / "open").exists():
                time.sleep(0.001)
            return super().step(0)

    envs = fastvec.make_vec([lambda: Gated(tmp_path, "a")], num_workers=1, context="fork")
    envs.reset()
    with pytest.raises(TimeoutError):
        envs.step(np.ones(1, np.int64), timeout=0.05)
    (tmp_path / "open").touch()
    envs.close()
    assert (tmp_path / "a").read_text() == "saved"
