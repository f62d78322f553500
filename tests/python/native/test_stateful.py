"""Any order of calls, good and bad: a native vector goes where SyncVectorEnv goes."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fastvec.errors import InvalidActionError, ResetNeededError, StateError
from support.native import MODES, assert_same, cartpoles, sync_cartpoles

NUM_ENVS = 3
SEEDS = st.none() | st.integers(0, 2**70) | st.lists(st.none() | st.integers(0, 2**40), min_size=3, max_size=3)
MASKS = st.lists(st.booleans(), min_size=NUM_ENVS, max_size=NUM_ENVS).filter(any).map(np.array)
ACTIONS = st.lists(st.integers(0, 1), min_size=NUM_ENVS, max_size=NUM_ENVS).map(np.array)
OPTIONS = st.sampled_from([{}, {"low": -0.2, "high": 0.2}, {"low": -0.01}])


class VectorMachine(RuleBasedStateMachine):
    """The model is Gymnasium's SyncVectorEnv; its snapshot is a deep copy."""

    @initialize(
        mode=st.sampled_from(MODES),
        threads=st.integers(1, 3),
        copies=st.booleans(),
        limit=st.integers(2, 12),
    )
    def make(self, mode: AutoresetMode, threads: int, copies: bool, limit: int) -> None:
        self.envs = cartpoles(NUM_ENVS, num_threads=threads, autoreset_mode=mode, max_episode_steps=limit, copy=copies)
        self.oracle = sync_cartpoles(NUM_ENVS, mode=mode, max_episode_steps=limit)
        self.mode = mode
        self.done = np.zeros(NUM_ENVS, bool)
        self.saved: tuple[bytes, Any, np.ndarray] | None = None
        self.held: list[tuple[Any, Any]] = []
        self.copies = copies
        self.compare(self.envs.reset(seed=0), self.oracle.reset(seed=0))

    def compare(self, result: Any, expected: Any) -> None:
        assert_same(result, expected)
        if self.copies:
            self.held.append((result, copy.deepcopy(expected)))

    def can_step(self) -> bool:
        return self.mode is not AutoresetMode.DISABLED or not self.done.any()

    @rule(seed=SEEDS, options=st.none() | OPTIONS)
    def reset(self, seed: Any, options: Any) -> None:
        self.compare(
            self.envs.reset(seed=seed, options=options), self.oracle.reset(seed=seed, options=copy.copy(options))
        )
        self.done[:] = False

    @rule(seed=SEEDS, mask=MASKS, options=OPTIONS)
    def masked_reset(self, seed: Any, mask: np.ndarray, options: dict[str, float]) -> None:
        self.compare(
            self.envs.reset(seed=seed, options={"reset_mask": mask, **options}),
            self.oracle.reset(seed=seed, options={"reset_mask": mask, **options}),
        )
        self.done[mask] = False

    @precondition(lambda self: self.can_step())
    @rule(actions=ACTIONS, times=st.integers(1, 6))
    def step(self, actions: np.ndarray, times: int) -> None:
        for _ in range(times):
            if not self.can_step():
                return
            result, expected = self.envs.step(actions), self.oracle.step(actions)
            self.compare(result, expected)
            self.done = expected[2] | expected[3]

    @precondition(lambda self: self.can_step())
    @rule(actions=ACTIONS)
    def step_into_own_arrays(self, actions: np.ndarray) -> None:
        out = (np.empty((NUM_ENVS, 4), np.float32), np.empty(NUM_ENVS))
        result, expected = self.envs.step(actions, out=out), self.oracle.step(actions)
        assert result[0] is out[0]
        self.compare(result, expected)
        self.done = expected[2] | expected[3]

    @precondition(lambda self: not self.can_step())
    @rule(actions=ACTIONS)
    def step_a_finished_env(self, actions: np.ndarray) -> None:
        with pytest.raises(ResetNeededError):
            self.envs.step(actions)

    @precondition(lambda self: self.can_step())
    @rule(
        actions=st.sampled_from([np.zeros(2, np.int64), np.zeros(3), np.full(3, 2**40), np.full((3, 1), 1), None, "x"])
    )
    def step_with_bad_actions(self, actions: Any) -> None:
        if isinstance(actions, np.ndarray) and actions.dtype == np.int64 and actions.shape == (3,):
            actions = np.where(self.done & (self.mode is AutoresetMode.NEXT_STEP), 0, actions)
            if not (actions > 1).any():
                return
        with pytest.raises(InvalidActionError):
            self.envs.step(actions)

    @rule(seed=st.sampled_from([-1, [1, 2], "x", 2.5]))
    def reset_with_bad_seeds(self, seed: Any) -> None:
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it is, nothing may have changed
            self.envs.reset(seed=seed)

    @rule(mask=st.sampled_from([np.zeros(3, bool), np.ones(2, bool), [True] * 3]))
    def reset_with_bad_masks(self, mask: Any) -> None:
        with pytest.raises((TypeError, ValueError)):
            self.envs.reset(seed=4, options={"reset_mask": mask})

    @rule()
    def save(self) -> None:
        self.saved = self.envs.get_state(), copy.deepcopy(self.oracle), self.done.copy()

    @precondition(lambda self: self.saved is not None)
    @rule(through_new_vector=st.booleans())
    def load(self, through_new_vector: bool) -> None:
        state, oracle, done = self.saved
        if through_new_vector:
            self.envs = cartpoles(
                NUM_ENVS,
                autoreset_mode=self.mode,
                copy=self.copies,
                max_episode_steps=self.oracle.envs[0].spec.max_episode_steps,
            )
        self.envs.set_state(state)
        self.oracle, self.done = copy.deepcopy(oracle), done.copy()

    @precondition(lambda self: self.saved is not None)
    @rule(at=st.integers(0, 10_000))
    def load_damaged(self, at: int) -> None:
        state = bytearray(self.saved[0])
        state[at % len(state)] ^= 0x10
        with pytest.raises(StateError):
            self.envs.set_state(bytes(state))

    @invariant()
    def generators_agree(self) -> None:
        if not hasattr(self, "envs"):
            return
        for one, other in zip(self.envs.np_random, self.oracle.np_random, strict=True):
            assert one.bit_generator.state == other.bit_generator.state

    def teardown(self) -> None:
        if not hasattr(self, "envs"):
            return
        self.envs.close()
        for result, expected in self.held:
            assert_same(result, expected)


VectorMachine.TestCase.settings = settings(
    max_examples=80, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestVectorMachine = VectorMachine.TestCase
