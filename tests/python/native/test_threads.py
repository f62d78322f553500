"""Ctrl-C, two Python threads at once, forks, and what an idle vector costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastvec
from support.native import assert_same, cartpoles, run_script, thread_count, wait_until

BLOCK = 6  # the command of Faulty-v0 that waits for a file

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals and forks of POSIX")


# -- Ctrl-C -------------------------------------------------------------------------------------------------

INTERRUPTED = """
import sys, numpy as np, fastvec
library, gate, call, threads = *sys.argv[1:4], int(sys.argv[4])
fastvec.load_plugin(library)
num_envs = 4000
# 10 ms per env: the whole batch would take many seconds.
envs = fastvec.make_vec("Faulty-v0", num_envs, num_threads=threads, step_milliseconds=10.0, gate=gate,
                        reset_milliseconds=10.0 if call == "reset" else 0.0)
actions = np.zeros(num_envs, np.int64)
actions[0] = 6  # tells that it was stepped; the gate is open
if call != "reset":
    envs.reset(seed=0)
if call == "recv":
    envs.async_reset(seed=0)
    envs.recv()
try:
    if call == "step":
        envs.step(actions)
    elif call == "reset":
        envs.reset(seed=0)
    else:
        envs.send(actions, np.arange(num_envs))
        envs.recv()
    print("not interrupted")
except KeyboardInterrupt:
    print("interrupted")
if call == "step":
    try:
        envs.step(actions)
    except fastvec.errors.ResetNeededError:
        print("needs reset")
    observations, _ = envs.reset(seed=3)
    expected, _ = fastvec.make_vec("Faulty-v0", num_envs).reset(seed=3)
    print("same" if (observations == expected).all() else "differs")
envs.close()
print("done")
"""


@posix_only
@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.parametrize("call", ["step", "reset", "recv"])
def test_ctrl_c_interrupts_a_long_call(faulty_library: Path, tmp_path: Path, call: str, num_threads: int):
    gate = tmp_path / "gate"
    gate.touch()
    command = [sys.executable, "-c", INTERRUPTED, str(faulty_library), str(gate), call, str(num_threads)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: Path(f"{gate}.entered").exists() or process.poll() is not None)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=15.0)  # the whole batch takes longer
        finally:
            process.kill()
    assert process.returncode == 0, errors
    expected = ["interrupted", "needs reset", "same", "done"] if call == "step" else ["interrupted", "done"]
    assert output.splitlines() == expected


# -- two Python threads -------------------------------------------------------------------------------------


def blocked_step(faulty: str, gate: Path) -> tuple[fastvec.VectorEnv, threading.Thread, list[Any]]:
    """A vector whose step waits in another thread until `gate` exists; what it returned comes into the list."""
    envs = fastvec.make_vec(faulty, 3, num_threads=2, gate=str(gate))
    envs.reset(seed=0)
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(envs.step(np.array([0, BLOCK, 0]))))
    thread.start()
    wait_until(lambda: Path(f"{gate}.entered").exists())
    return envs, thread, results


SECOND_CALLS: dict[str, Any] = {
    "step": lambda envs: envs.step(np.zeros(3, np.int64)),
    "reset": lambda envs: envs.reset(),
    "get_state": lambda envs: envs.get_state(),
    "set_state": lambda envs: envs.set_state(b""),
    "async_reset": lambda envs: envs.async_reset(),
    "recv": lambda envs: envs.recv(),
    "np_random": lambda envs: envs.np_random,
    "set_attr": lambda envs: envs.set_attr("np_random", [np.random.default_rng()] * 3),
    "close": lambda envs: envs.close(),
}


@pytest.mark.parametrize("name", SECOND_CALLS)
def test_a_second_caller_is_refused(faulty: str, tmp_path: Path, name: str):
    envs, thread, results = blocked_step(faulty, tmp_path / "gate")
    try:
        with pytest.raises((RuntimeError, fastvec.errors.StateError)) as caught:
            SECOND_CALLS[name](envs)
        if name != "set_state":  # the bytes are looked at first
            assert "another thread" in str(caught.value)
    finally:
        (tmp_path / "gate").touch()
        thread.join()
    assert results[0][0][:, 0].tolist() == [1.0, 1.0, 1.0]
    envs.step(np.zeros(3, np.int64))
    envs.close()


def test_the_gil_is_released_while_envs_run(faulty: str, tmp_path: Path):
    envs, thread, results = blocked_step(faulty, tmp_path / "gate")
    other = cartpoles(3)  # another vector works meanwhile
    other.reset(seed=0)
    for _ in range(100):
        other.step(np.zeros(3, np.int64))
    assert results == []
    (tmp_path / "gate").touch()
    thread.join()
    assert len(results) == 1
    envs.close()


def test_many_threads_at_one_vector_never_break_it():
    envs = cartpoles(64, num_threads=3)
    envs.reset(seed=0)
    barrier = threading.Barrier(4)
    refused, unexpected = [], []
    steps = [0] * 4

    def use(index: int) -> None:
        barrier.wait()
        for _ in range(400):
            try:
                result = envs.step(np.zeros(64, np.int64))
                assert np.isfinite(result[0]).all()
                steps[index] += 1
            except RuntimeError as error:
                refused.append(error)
            except BaseException as error:
                unexpected.append(error)

    threads = [threading.Thread(target=use, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert unexpected == []
    assert sum(steps) > 0
    assert all("another thread" in str(error) for error in refused)
    twin = cartpoles(64)
    twin.reset(seed=0)
    for _ in range(sum(steps)):
        expected = twin.step(np.zeros(64, np.int64))
    assert_same(envs.step(np.zeros(64, np.int64)), twin.step(np.zeros(64, np.int64)))
    assert expected[0].shape == (64, 4)


def test_vectors_of_different_threads_do_not_meet():
    barrier = threading.Barrier(4)
    digests: list[bytes] = [b""] * 4

    def use(index: int) -> None:
        barrier.wait()
        envs = cartpoles(300, num_threads=2)
        envs.reset(seed=7)
        for turn in range(100):
            observations, *_ = envs.step(np.full(300, turn % 2))
        digests[index] = observations.tobytes()
        envs.close()

    threads = [threading.Thread(target=use, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(digests)) == 1
    assert digests[0]


def test_a_vector_may_move_from_thread_to_thread():
    envs, twin = cartpoles(50), cartpoles(50)
    envs.reset(seed=0)
    twin.reset(seed=0)
    results: list[Any] = []
    for _ in range(10):
        thread = threading.Thread(target=lambda: results.append(envs.step(np.zeros(50, np.int64))))
        thread.start()
        thread.join()
        assert_same(results[-1], twin.step(np.zeros(50, np.int64)))


# -- forks --------------------------------------------------------------------------------------------------

FORKED = """
import os, signal, sys, numpy as np, fastvec
signal.alarm(50)  # a hang ends both processes
use, threads = sys.argv[1], int(sys.argv[2])
envs = fastvec.make_vec("CartPole-v1", 5000, num_threads=threads, batch_size=1000)
actions = np.zeros(5000, np.int64)
envs.reset(seed=0)
for _ in range(20):
    envs.step(actions)
if use.startswith("async"):
    envs.async_reset(seed=0)
    for _ in range(5 if use == "async idle" else 2):
        envs.recv()
child = os.fork()
if child == 0:
    signal.alarm(40)
    if use in ("step", "async idle", "async flying"):
        for call in (lambda: envs.step(actions), lambda: envs.recv()):
            try:
                call()
                print("child went on", flush=True)
            except Exception as error:
                print("child", type(error).__name__, flush=True)
    elif use == "close":
        envs.close()
    elif use == "new":
        other = fastvec.make_vec("CartPole-v1", 5000, num_threads=threads)
        other.reset(seed=0)
        other.step(actions)
        other.close()
    if use == "hard exit":
        os._exit(0)
    sys.exit(0)  # the interpreter ends as usual: vectors that are left are destroyed
_, status = os.waitpid(child, 0)
assert status == 0, status
if use == "async flying":
    for _ in range(3):
        envs.recv()
envs.step(actions)
envs.close()
print("parent done", flush=True)
"""


@posix_only
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("use", ["nothing", "step", "close", "new", "async idle", "async flying", "hard exit"])
def test_a_forked_child_says_no_and_does_no_harm(use: str, num_threads: int):
    done = run_script(FORKED, use, num_threads, timeout=90.0)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "parent done"
    assert lines[:-1] == ["child ForkedError"] * (2 if use in ("step", "async idle", "async flying") else 0)


FORKED_WHILE_BUSY = """
import os, signal, sys, threading, time, numpy as np, fastvec
signal.alarm(50)
fastvec.load_plugin(sys.argv[1])
gate = sys.argv[2]
envs = fastvec.make_vec("Faulty-v0", 4, num_threads=2, gate=gate)
envs.reset(seed=0)
thread = threading.Thread(target=lambda: envs.step(np.array([6, 0, 0, 0])))
thread.start()
while not os.path.exists(gate + ".entered"):
    time.sleep(0.002)
child = os.fork()
if child == 0:
    signal.alarm(30)
    try:
        envs.step(np.zeros(4, np.int64))
        print("child stepped", flush=True)
    except fastvec.errors.ForkedError as error:
        print("child refused", flush=True)
    envs.close()
    os._exit(0)
_, status = os.waitpid(child, 0)
open(gate, "w").close()
thread.join()
assert status == 0, status
envs.step(np.zeros(4, np.int64))
envs.close()
print("parent done", flush=True)
"""


@posix_only
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_forked_during_a_step_does_not_hang(faulty_library: Path, tmp_path: Path):
    done = run_script(FORKED_WHILE_BUSY, faulty_library, tmp_path / "gate", timeout=90.0)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["child refused", "parent done"]


# -- idling -------------------------------------------------------------------------------------------------


def test_an_idle_vector_uses_no_cpu():
    envs = cartpoles(20_000, num_threads=4)
    envs.reset(seed=0)
    for _ in range(50):
        envs.step(np.zeros(20_000, np.int64))
    other = cartpoles(100, num_threads=3, batch_size=10)
    other.async_reset(seed=0)
    other.recv()
    time.sleep(0.1)  # whoever still spins stops within microseconds
    begin = time.process_time()
    time.sleep(0.4)
    assert time.process_time() - begin < 0.1  # four threads spinning would take more than 0.4
    envs.close()
    other.close()


def test_making_and_closing_vectors_leaves_no_thread():
    before = thread_count()
    for _ in range(30):
        envs = cartpoles(2000, num_threads=5)
        envs.reset(seed=0)
        envs.step(np.zeros(2000, np.int64))
        envs.close()
    assert thread_count() == before


def test_the_interpreter_ends_while_envs_are_in_flight():
    done = run_script(
        "import fastvec\n"
        "envs = fastvec.make_vec('CartPole-v1', 2000, num_threads=3, batch_size=10)\n"
        "envs.async_reset(seed=0)\n"
        "print('left', flush=True)\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "left\n", "")
