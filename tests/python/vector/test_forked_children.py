"""A vector in a child that was forked from the process that made it: every call is refused, the parent goes on."""

from __future__ import annotations

import os

import pytest

from support.native import run_script

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

EVERY_CALL = """
import os, signal, sys, warnings
import gymnasium, numpy as np, fastvec
from fastvec.errors import ForkedError

warnings.simplefilter("ignore")  # Python 3.12 warns of forks of processes with threads
signal.alarm(100)  # a hang ends all processes
backend = sys.argv[1]
actions, everyone = np.zeros(2, np.int64), np.arange(2)


def make(is_oracle=False):
    if backend == "ale":
        import ale_py.vector_env
        return ale_py.vector_env.AtariVectorEnv("pong", 2) if is_oracle else fastvec.make_vec("ALE/Pong-v5", 2)
    if is_oracle:
        return gymnasium.make_vec("CartPole-v1", 2, vectorization_mode="sync")
    return fastvec.make_vec("CartPole-v1", 2, backend=backend, **({"num_workers": 2} if backend == "process" else {}))


def assert_same(one, other):
    for a, b in zip(one[:-1], other[:-1], strict=True):
        np.testing.assert_array_equal(a, b)


def be_refused(envs, snapshot):
    calls = {
        "reset": lambda: envs.reset(seed=0),
        "step": lambda: envs.step(actions),
        "async_reset": lambda: envs.async_reset(),
        "send": lambda: envs.send(actions, everyone),
        "recv": lambda: envs.recv(),
        "get_state": lambda: envs.get_state(),
        "set_state": lambda: envs.set_state(snapshot),
        "render": lambda: envs.render(),
        "get_attr": lambda: envs.get_attr("render_mode"),
        "set_attr": lambda: envs.set_attr("gravity", 1.0),
        "call": lambda: envs.call("get_wrapper_attr", "spec"),
    }
    if backend != "ale":
        calls["np_random"] = lambda: envs.np_random
    for name, call in calls.items():
        try:
            call()
            print(name, "went through", flush=True)
        except ForkedError as error:
            assert isinstance(error, RuntimeError)
            assert "forked" in str(error) and "make another" in str(error), error
        except BaseException as error:
            print(name, "raised", repr(error), flush=True)


states = ["idle", "in flight", "closed in the child", "dropped in the child"]
for state in states if backend != "ale" else states[1:3]:
    envs = make()
    envs.reset(seed=3)
    envs.step(actions)
    snapshot = envs.get_state() if backend != "ale" else b""
    if state == "in flight":
        envs.send(actions, everyone)
    child = os.fork()
    if child == 0:
        be_refused(envs, snapshot)
        if state == "closed in the child":
            envs.close()
            envs.close()
        if state == "dropped in the child":
            del envs
        other = fastvec.make_vec("CartPole-v1", 2, backend="native" if backend == "ale" else backend)  # its own works
        other.reset(seed=0)
        other.step(actions)
        other.close()
        sys.exit(0)  # with all that an interpreter and multiprocessing do at their end
    _, status = os.waitpid(child, 0)
    assert status == 0, (state, status)
    oracle = make(is_oracle=True)  # not before: its own copy in the child would do harm
    oracle.reset(seed=3)
    oracle.step(actions)
    if state == "in flight":
        received, stepped = envs.recv(), oracle.step(actions)
        order = received[4]["env_id"]
        assert_same(received, [*(part[order] for part in stepped[:4]), {}])
    for _ in range(30):
        assert_same(envs.step(actions), oracle.step(actions))
    assert_same(envs.reset(seed=4), oracle.reset(seed=4))
    envs.close()
    oracle.close()
    del oracle
print("done")
"""


@pytest.mark.parametrize("backend", ["native", "process", "ale"])
def test_every_call_is_refused_in_a_forked_child(backend: str):
    if backend == "ale":
        pytest.importorskip("ale_py")
    done = run_script(EVERY_CALL, backend, timeout=120.0)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stdout + done.stderr


IN_USE = """
import os, signal, sys, threading, time, warnings
import gymnasium, numpy as np, fastvec
from fastvec.errors import ForkedError

warnings.simplefilter("ignore")
signal.alarm(50)


class Slow(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0, 1, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        open(sys.argv[1] + ".entered", "w").close()
        while not os.path.exists(sys.argv[1]):
            time.sleep(0.002)
        return np.zeros(1, np.float32), 1.0, False, False, {}


envs = fastvec.make_vec(Slow, 1, context="fork")
envs.reset()
thread = threading.Thread(target=lambda: envs.step(np.array([0])))
thread.start()
while not os.path.exists(sys.argv[1] + ".entered"):
    time.sleep(0.002)
child = os.fork()
if child == 0:
    try:
        envs.step(np.array([0]))
    except ForkedError:
        os._exit(7)
    os._exit(1)
_, status = os.waitpid(child, 0)
open(sys.argv[1], "w").close()
thread.join()
envs.step(np.array([0]))
envs.close()
print(os.waitstatus_to_exitcode(status))
"""


def test_a_child_forked_during_a_call_of_another_thread_hears_of_the_fork(tmp_path):
    done = run_script(IN_USE, tmp_path / "gate", timeout=60.0)
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr


SINGLE = """
import os, warnings
import gymnasium, numpy as np, fastvec

warnings.simplefilter("ignore")
env = gymnasium.make("fastvec/CartPole-v1")
oracle = gymnasium.make("CartPole-v1")
for one in (env, oracle):
    one.reset(seed=1)
child = os.fork()  # both processes do the same
for _ in range(5):
    np.testing.assert_array_equal(env.step(0)[0], oracle.step(0)[0])
env.close()
if child:
    assert os.waitpid(child, 0)[1] == 0
    print("done")
"""


def test_a_single_env_is_copied_by_a_fork_as_any_of_gymnasiums():
    done = run_script(SINGLE)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
