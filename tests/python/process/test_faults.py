"""Errors in place of hangs: failing envs, lost workers, hung workers, a parent that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import fastvec
from fastvec import errors
from support.compare import WORKERS
from support.sample_envs import Faulty

TESTS = Path(__file__).parents[1]  # where the package `support` is
MODES = ["NextStep", "SameStep", "Disabled"]
NONE = np.zeros(4, np.int64)


def one_action(action, env=2):
    actions = NONE.copy()
    actions[env] = action
    return actions


def make(closing, mode="NextStep", *, num_workers=2, **kwargs):
    envs = closing(fastvec.make_vec(Faulty, 4, num_workers=num_workers, autoreset_mode=mode, **kwargs))
    envs.reset(seed=1)
    return envs


@WORKERS
def test_env_error_has_the_traceback_and_its_cause(num_workers, closing):
    envs = make(closing, num_workers=num_workers)
    with pytest.raises(fastvec.EnvError, match="ValueError: boom at 1") as caught:
        envs.step(one_action(Faulty.RAISE))
    assert "sample_envs.py" in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError)


@WORKERS
def test_exception_in_reset(num_workers, closing):
    envs = make(closing, num_workers=num_workers)
    with pytest.raises(fastvec.EnvError, match="reset failed") as caught:
        envs.reset(options={"fail": True})
    assert len(caught.value.failures) == 4
    envs.reset()


@pytest.mark.parametrize("action", [Faulty.WRONG_SHAPE, Faulty.UNPICKLABLE])
def test_results_that_cannot_travel_name_the_env(action, closing):
    envs = make(closing)
    with pytest.raises(fastvec.EnvError) as caught:
        envs.step(one_action(action))
    assert caught.value.env_index == 2
    np.testing.assert_array_equal(caught.value.batch[0][[0, 1, 3], 0], [1, 1, 1])
    envs.step(NONE)


@WORKERS
def test_exception_in_a_called_method(num_workers, closing):
    envs = make(closing, num_workers=num_workers)
    with pytest.raises(fastvec.EnvError, match="KeyError: 'called'") as caught:
        envs.call("fail")
    assert len(caught.value.failures) == 4
    envs.step(NONE)


class Unmakeable(Faulty):
    def __init__(self):
        raise OSError("no such simulator")


@WORKERS
def test_env_that_cannot_be_made_is_named(num_workers):
    with pytest.raises(fastvec.EnvError, match="no such simulator") as caught:
        fastvec.make_vec([Faulty, Faulty, Unmakeable, Faulty], num_workers=num_workers)
    assert caught.value.env_index == 2


class DiesWhenMade(Faulty):
    def __init__(self):
        os._exit(3)


def test_worker_that_dies_while_it_makes_envs_is_noticed():
    with pytest.raises(errors.WorkerError, match=r"worker 1 \(envs 2 to 3\) exited with status 3"):
        fastvec.make_vec([Faulty, Faulty, DiesWhenMade, Faulty], num_workers=2)


@pytest.mark.parametrize(
    ("action", "how"), [(Faulty.KILL, "was killed by SIGKILL"), (Faulty.EXIT, "exited with status 7")]
)
def test_worker_that_ends_in_a_step_is_noticed_at_once(action, how, closing):
    envs = make(closing)
    begin = time.monotonic()
    with pytest.raises(errors.WorkerError, match=rf"worker 1 \(envs 2 to 3\) {how}"):
        envs.step(one_action(action))
    assert time.monotonic() - begin < 1.0
    with pytest.raises(errors.WorkerError, match=how):
        envs.step(NONE)
    envs.close()
    with pytest.raises(errors.ClosedError):
        envs.step(NONE)


def test_idle_worker_that_is_killed_is_noticed_by_the_next_call(closing):
    envs = make(closing)
    os.kill(envs.call("pid")[0], signal.SIGKILL)
    begin = time.monotonic()
    with pytest.raises(errors.WorkerError, match=r"worker 0 \(envs 0 to 1\) was killed by SIGKILL"):
        envs.step(NONE)
    assert time.monotonic() - begin < 1.0


def test_step_that_hangs_times_out_and_close_still_works(closing):
    envs = make(closing)
    pids = set(envs.call("pid"))
    begin = time.monotonic()
    with pytest.raises(TimeoutError, match=r"worker 1 \(envs 2 to 3\)"):
        envs.step(one_action(Faulty.HANG), timeout=0.2)
    assert time.monotonic() - begin < 2.0
    with pytest.raises(TimeoutError, match="the call before"):
        envs.step(NONE, timeout=0.1)
    with pytest.warns(RuntimeWarning, match=r"worker 1 \(envs 2 to 3\) was killed: it did not finish a call"):
        envs.close()
    assert time.monotonic() - begin < 5.0
    assert not any(alive(pid) for pid in pids)


def alive(pid):
    """Whether the process runs: one that has ended and waits to be collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def until(condition):
    """Return once it is true; fail if that takes half a minute."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


class Slow(Faulty):
    """Waits until a file exists, when told its name; another with ``.begun`` behind that name says that it does."""

    gate = None

    def step(self, action):
        if action:
            Path(f"{self.gate}.begun").touch()
        while action and not os.path.exists(self.gate):
            time.sleep(0.001)
        return super().step(0)


def test_vector_goes_on_after_a_step_that_timed_out(closing, tmp_path):
    envs = closing(fastvec.make_vec(Slow, 4, num_workers=2))
    envs.reset(seed=1)
    gate = tmp_path / "open"
    envs.set_attr("gate", str(gate))
    with pytest.raises(TimeoutError):
        envs.step(one_action(1), timeout=0.05)
    gate.touch()
    np.testing.assert_array_equal(envs.step(NONE, timeout=30)[0][:, 0], [2, 2, 2, 2])


def test_interrupt_reaches_the_caller_and_the_vector_goes_on(closing, tmp_path):
    envs = closing(fastvec.make_vec(Slow, 4, num_workers=2))
    envs.reset(seed=1)
    gate = tmp_path / "open"
    envs.set_attr("gate", str(gate))
    main = threading.main_thread().ident

    def interrupt():
        until((tmp_path / "open.begun").exists)  # the step is under way
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        envs.step(np.ones(4, np.int64), timeout=30)
    thread.join()
    gate.touch()
    np.testing.assert_array_equal(envs.step(NONE, timeout=30)[0][:, 0], [2, 2, 2, 2])


def test_a_second_thread_is_refused(closing, tmp_path):
    envs = closing(fastvec.make_vec(Slow, 4, num_workers=2))
    envs.reset(seed=1)
    gate = tmp_path / "open"
    envs.set_attr("gate", str(gate))
    thread = threading.Thread(target=envs.step, args=(np.ones(4, np.int64),))
    thread.start()
    until((tmp_path / "open.begun").exists)
    with pytest.raises(RuntimeError, match="another thread"):
        envs.step(NONE)
    gate.touch()
    thread.join()
    envs.step(NONE)


@pytest.mark.parametrize("mode", MODES)
def test_lost_worker_is_replaced(mode, closing):
    envs = make(closing, mode, restart_workers=True)
    envs.step(NONE)
    observations, rewards, _, truncations, infos = envs.step(one_action(Faulty.KILL))
    np.testing.assert_array_equal(truncations, [False, False, True, True])
    np.testing.assert_array_equal(rewards, [1, 1, 0, 0])
    np.testing.assert_array_equal(observations[:, 0], [2, 2, 0, 0])
    reasons = infos["final_info"] if mode == "SameStep" else infos
    assert list(reasons["_worker_error"]) == [False, False, True, True]
    assert "SIGKILL" in reasons["worker_error"][2]
    if mode == "Disabled":
        envs.reset(options={"reset_mask": truncations.copy()})
    after = envs.step(NONE)
    np.testing.assert_array_equal(after[0][:, 0], [3, 3, 0, 0] if mode == "NextStep" else [3, 3, 1, 1])
    assert not after[3].any()
    assert "worker_error" not in after[4]


def test_worker_lost_in_a_reset_is_replaced_and_resets(closing):
    envs = make(closing, restart_workers=True)
    os.kill(envs.call("pid")[3], signal.SIGKILL)
    observations, infos = envs.reset(seed=5)
    assert observations.shape == (4, 2)
    assert list(infos["_worker_error"]) == [False, False, True, True]
    assert envs.np_random_seed == (5, 6, 7, 8)
    envs.step(NONE)


def test_worker_lost_in_flight_is_replaced(closing):
    envs = closing(fastvec.make_vec(Faulty, 4, num_workers=2, batch_size=4, restart_workers=True))
    envs.async_reset(seed=1)
    envs.recv(timeout=30)
    envs.send(one_action(Faulty.KILL), np.arange(4))
    _, _, _, truncations, infos = envs.recv(timeout=30)
    lost = sorted(infos["env_id"][truncations])
    assert lost == [2, 3]
    envs.send(NONE, np.arange(4))
    assert not envs.recv(timeout=30)[3].any()


def test_replacements_that_die_at_once_are_not_replaced_forever(closing):
    class DiesInReset(Faulty):
        def reset(self, *, seed=None, options=None):
            os._exit(5)

    envs = closing(fastvec.make_vec(DiesInReset, 2, num_workers=1, restart_workers=True, context="fork"))
    with pytest.raises(errors.WorkerError, match="so did the worker that replaced it"):
        envs.reset()
    envs.close()


PARENT = """
import sys, time
import numpy as np
sys.path.insert(0, sys.argv[1])
import fastvec
from support.sample_envs import Faulty

if __name__ == "__main__":
    envs = fastvec.make_vec(Faulty, 4, num_workers=2, context=sys.argv[2])
    envs.reset()
    print(*envs.call("pid"), flush=True)
    if sys.argv[3] == "hang":
        envs.step(np.full(4, Faulty.HANG))
    time.sleep(3600)
"""


@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("state", ["idle", "hang"])
def test_nothing_outlives_a_parent_that_is_killed(context, state):
    before = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
    command = [sys.executable, "-c", PARENT, str(TESTS), context, state]
    if context != "fork":  # these need a script to import
        command = [sys.executable, str(_script()), str(TESTS), context, state]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        pids = {int(pid) for pid in parent.stdout.readline().split()}
        assert pids
        assert all(alive(pid) for pid in pids)
        parent.kill()
        parent.wait()
        end = time.monotonic() + 3.0
        while any(alive(pid) for pid in pids) and time.monotonic() < end:
            time.sleep(0.01)
        assert not any(alive(pid) for pid in pids)
    after = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
    assert not {name for name in after - before if "fastvec" in name or "psm" in name}


def _script():
    import tempfile

    folder = Path(tempfile.mkdtemp())
    path = folder / "parent.py"
    path.write_text(PARENT)
    return path


def test_gymnasium_class_is_caught_too(closing):
    envs = make(closing)
    envs.close()
    with pytest.raises(gymnasium.error.ClosedEnvironmentError):
        envs.reset()
