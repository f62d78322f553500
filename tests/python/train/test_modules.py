"""A checkpoint makes its environments again in a process that has not imported the module which registers them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

MODULE = """
import gymnasium as gym
import numpy as np


class Own(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(3, np.float32), {}

    def step(self, action):
        return np.ones(3, np.float32), 1.0, False, False, {}


gym.register("Own-v0", ENTRY_POINT, max_episode_steps=5)
"""

SAVE = """
import fastvec, gymnasium
from fastvec.train import PPO

settings = dict(num_steps=8, num_minibatches=2, update_epochs=1, compile=False, total_timesteps=64)


def save(env, name, **more):
    ppo = PPO(env, **settings, **more)
    ppo.save(name)
    ppo.close()


save(fastvec.make_vec("strmod:Own-v0", 2, num_workers=1), "by_make_vec.pt")
save("Own-v0", "by_id.pt", num_envs=2)
save(gymnasium.make_vec("Own-v0", 2), "by_gymnasium.pt")
del gymnasium.registry["Own-v0"]
save(fastvec.make_vec("classmod:Own-v0", 2, num_workers=1), "by_class.pt")
"""

LOAD = """
import sys, gymnasium
from fastvec.train import PPO

for name in ("by_make_vec", "by_id", "by_gymnasium", "by_class"):
    assert "Own-v0" not in gymnasium.registry
    ppo = PPO.load(name + ".pt")
    print(name, ppo.env_id, ppo.evaluate(episodes=1).mean_return)
    ppo.close()
    del gymnasium.registry["Own-v0"]
    for module in ("strmod", "classmod"):
        sys.modules.pop(module, None)
"""


def test_the_module_is_imported_again(tmp_path: Path):
    (tmp_path / "strmod.py").write_text(MODULE.replace("ENTRY_POINT", "'strmod:Own'"))
    (tmp_path / "classmod.py").write_text(MODULE.replace("ENTRY_POINT", "Own"))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    outputs = []
    for script in (SAVE, LOAD):
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout.split())
    expected = [("by_make_vec", "strmod:Own-v0"), ("by_id", "Own-v0"), ("by_gymnasium", "Own-v0")]
    expected += [("by_class", "classmod:Own-v0")]
    assert outputs[1] == [word for name, env_id in expected for word in (name, env_id, "5.0")]
