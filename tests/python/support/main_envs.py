"""Read as the source of a script or of a notebook's cells, never imported: every env lives in ``__main__``."""

# %%
from dataclasses import dataclass
from functools import partial

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

import fastvec

CONTEXT = "fork"  # test_main_module.py runs it with others, too

if __name__ == "__main__":  # what a worker that imports the script does not have
    OFFSET = 0.5

    class Label(spaces.Text):
        """A space of our own."""

    @dataclass
    class Config:
        factor: float = 1.0

    class CellEnv(gymnasium.Env):
        action_space = spaces.Discrete(2)

        def __init__(self, start=1.0):
            self.start = start
            self.config = Config()
            self.observation_space = spaces.Dict({"x": spaces.Box(-100, 100, (2,)), "label": Label(4)})

        def observation(self):
            return {"x": np.full(2, self.x, np.float32), "label": "even" if self.t % 2 == 0 else "odd"}

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            if options:
                assert isinstance(options["config"], Config)
                self.config = options["config"]
            self.t, self.x = 0, self.start + self.np_random.random()
            return self.observation(), {"config": self.config}

        def step(self, action):
            assert isinstance(self.config, Config)
            self.t += 1
            self.x += OFFSET * action * self.config.factor
            return self.observation(), self.x, self.t == 3, False, {"config": self.config, "t": self.t}

    class Doubled(gymnasium.Wrapper):
        def step(self, action):
            observation, reward, *rest = self.env.step(action)
            return observation, 2 * reward, *rest

    def make_env():
        return Doubled(CellEnv(3.0))

    for name, entry_point in [("ByClass", CellEnv), ("ByName", "__main__:CellEnv"), ("ByFunction", make_env)]:
        gymnasium.register(f"Cell/{name}-v0", entry_point=entry_point, max_episode_steps=2)
    gymnasium.register("Cell/Elsewhere-v0", entry_point="gymnasium.envs.classic_control:CartPoleEnv")


# %%
def compare(actual, expected):
    from support.sameness import assert_same

    assert type(actual.single_observation_space["label"]) is Label
    assert_same(actual.reset(seed=5), expected.reset(seed=5))
    for t in range(5):
        actions = np.arange(expected.num_envs) % 2 if t else np.ones(expected.num_envs, np.int64)
        assert_same(actual.step(actions), expected.step(actions))


if __name__ == "__main__":
    sources = [CellEnv, make_env, lambda: Doubled(CellEnv(2.0)), partial(CellEnv, start=4.0)]
    sources += [lambda: gymnasium.make("Cell/ByClass-v0"), lambda: gymnasium.make("Cell/ByFunction-v0")]
    actual, expected = fastvec.make_vec(sources, num_workers=2, context=CONTEXT), SyncVectorEnv(sources)
    compare(actual, expected)
    assert all(isinstance(config, Config) for config in actual.get_attr("config"))
    for envs in (actual, expected):
        envs.set_attr("config", Config(factor=7.0))
    compare(actual, expected)
    options = {"config": Config(factor=3.0)}
    assert list(actual.reset(options=options)[1]["config"]) == [Config(factor=3.0)] * 6
    state = actual.get_state()
    after = actual.step(np.ones(6, np.int64))[1].tolist()
    actual.set_state(state)
    assert actual.step(np.ones(6, np.int64))[1].tolist() == after

    @dataclass
    class Late(Config):
        """Defined when the workers are there already."""

        power: float = 2.0

    actual.set_attr("config", Late(factor=1.5))
    assert isinstance(actual.get_attr("config")[3], Late)
    actual.close()

# %%
if __name__ == "__main__":
    for name in ("ByClass", "ByName"):
        wrappers = [Doubled]
        actual = fastvec.make_vec(f"Cell/{name}-v0", 2, num_workers=1, context=CONTEXT, wrappers=wrappers)
        compare(actual, gymnasium.make_vec(f"Cell/{name}-v0", 2, vectorization_mode="sync", wrappers=wrappers))
        actual.close()
    actual = fastvec.make_vec([lambda: gymnasium.make("Cell/Elsewhere-v0")], num_workers=1, context=CONTEXT)
    assert actual.reset(seed=1)[0].shape == (1, 4)
    actual.close()
    print("all the same")
