"""The conformance check on every env of this package, with the keyword arguments that matter."""

import fastvec
import fastvec.testing
import numpy as np
import pytest


@pytest.mark.parametrize("kwargs", [{}, {"size": 3}, {"slip": 0.5}])
def test_env_conforms(kwargs):
    fastvec.testing.check_env("my_envs/GridWalk-v0", **kwargs)


def test_walking_to_the_goal_pays():
    envs = fastvec.make_vec("my_envs/GridWalk-v0", num_envs=1)
    (observation,), _ = envs.reset(seed=0)
    total, terminated = 0.0, np.array([False])
    while not terminated[0]:
        _, _, right, up = observation
        action = 0 if right > 0 else 1 if right < 0 else 2 if up > 0 else 3
        (observation,), reward, terminated, _, _ = envs.step(np.array([action]))
        total += reward[0]
    assert total > 0.5
