"""ale-py's own C++ vector env as a ``fastvec.VectorEnv``."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout  # not the builtin one before Python 3.11
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from fastvec import _core
from fastvec.ale.batches import UNSEEDED, checked_actions, checked_seeds, first_into, into, without_leftovers
from fastvec.errors import AsyncStateError, CallTimeoutError, ResetNeededError
from fastvec.vector.arguments import checked_batch_size, checked_env_ids, checked_timeout, split_reset_mask
from fastvec.vector.layout import leaves_of
from fastvec.vector.one_caller import OneCaller
from fastvec.vector.out import OutArrays
from fastvec.vector.pending import Wait
from fastvec.vector.vector_env import StepReturn, VectorEnv

__all__ = ["AleVectorEnv"]

_INSTEAD = "backend='process' gives Gymnasium's own env, which has it"


class AleVectorEnv(VectorEnv, gymnasium.vector.VectorEnv):  # named again: skrl looks at direct bases alone
    """``num_envs`` Atari games, stepped by ale-py's C++ threads; the numbers are ``AtariVectorEnv``'s.

    Its rewards are int32 and its infos have no masks, as every game reports every key; ``final_obs`` (SameStep) is one
    array, whose rows of games that go on are zeros. Elsewhere that is what ``gymnasium.make_vec`` gives for the same
    id. Each call makes fresh arrays, which are yours.

    Args:
        num_envs: number of games.
        num_threads: threads that step them.
        batch_size: games per ``recv``; with fewer than ``num_envs`` only asynchronous use is possible.
        autoreset_mode: NextStep or SameStep.
        ale_kwargs: the other arguments of ``ale_py.vector_env.AtariVectorEnv``.

    Attributes:
        num_threads: number of threads asked for; ale-py uses no more than the machine has.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        num_threads: int,
        batch_size: int,
        autoreset_mode: AutoresetMode,
        ale_kwargs: dict[str, Any],
    ) -> None:
        from ale_py.vector_env import AtariVectorEnv

        # AtariVectorEnv writes to the metadata of its class, which is that of all vector envs: it gets its own.
        own_class = type("AtariVectorEnv", (AtariVectorEnv,), {"metadata": {}})
        self._settings = dict(ale_kwargs)
        self._inner: Any = own_class(
            num_envs=num_envs,
            num_threads=num_threads,
            batch_size=batch_size,
            autoreset_mode=autoreset_mode,
            **ale_kwargs,
        )
        _living.add(self._inner)
        self.num_envs = num_envs
        self.num_threads = num_threads
        self.batch_size = batch_size
        self.autoreset_mode = autoreset_mode
        self.metadata = {"render_modes": [], "autoreset_mode": autoreset_mode}
        self.single_observation_space = self._inner.single_observation_space
        self.single_action_space = self._inner.single_action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._leaves = leaves_of(self.single_observation_space)
        self._caller = OneCaller(self._home)
        self._seeds = [-1] * num_envs
        self._in_flight = 0
        self._idle: np.ndarray | None = None  # ids of the batch that was received last, until it is handed in
        self._first_batch: tuple[Any, ...] | None = None  # of async_reset, until recv gives it
        self._receiver: ThreadPoolExecutor | None = None
        self._receiving: Future[Any] | None = None  # a recv that timed out goes on
        self._finish_pending: Wait  # what waits for the pending call

    # -- stepping -------------------------------------------------------------------------------------------

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
        out: Any = None,
    ) -> tuple[Any, dict[str, Any]]:
        """See :meth:`fastvec.VectorEnv.reset`."""
        with self._caller:
            seeds, mask, given = self._reset_arguments("reset", seed, options, out)
            observations, infos = self._reset_inner(seeds, mask)
            self._idle = np.arange(self.num_envs)
        return first_into(given, observations), infos

    def _reset_arguments(
        self, what: str, seed: Any, options: Any, out: Any
    ) -> tuple[list[int], np.ndarray | None, OutArrays | None]:
        self._require_synchronous(what)
        seeds = checked_seeds(seed, self.num_envs)
        mask, _ = split_reset_mask(options, self.num_envs)
        if mask is not None and self._idle is None:
            raise ResetNeededError("reset: expected a reset of all envs before one with a reset_mask")
        return seeds, mask, None if out is None else OutArrays(out, self._leaves, self.num_envs)

    def step(self, actions: Any, *, out: Any = None) -> StepReturn:
        """See :meth:`fastvec.VectorEnv.step`."""
        with self._caller:
            given = self._step_arguments("step", out)
            batch = without_leftovers(
                self._inner.step(checked_actions(actions, self.single_action_space, self.batch_size))
            )
        return into(given, batch)

    def _step_arguments(self, what: str, out: Any) -> OutArrays | None:
        self._require_synchronous(what)
        if self._idle is None:
            raise ResetNeededError("step: expected envs that were reset; call reset() first")
        return None if out is None else OutArrays(out, self._leaves, self.num_envs)

    # -- calls in two halves --------------------------------------------------------------------------------

    def _begin_reset(self, seed: Any, options: Any, out: Any) -> Wait:
        with self._caller:
            seeds, mask, given = self._reset_arguments("reset_async", seed, options, out)
            self._receive(lambda: self._reset_inner(seeds, None if mask is None else mask.copy()))

        def finish(timeout: float | None) -> Any:
            observations, infos = self._received(timeout)
            self._idle = np.arange(self.num_envs)
            return first_into(given, observations), infos

        return self._waiting(finish)

    def _begin_step(self, actions: Any, out: Any) -> Wait:
        with self._caller:
            given = self._step_arguments("step_async", out)
            self._inner.send(checked_actions(actions, self.single_action_space, self.batch_size).copy())
        return self._waiting(lambda timeout: into(given, without_leftovers(self._received(timeout))))

    def _begin_call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Wait:
        return self._waiting(self._call_at_once(name, args, kwargs))

    def _waiting(self, finish: Wait) -> Wait:
        def wait(timeout: float | None) -> Any:
            with self._caller:
                return finish(timeout)

        self._finish_pending = finish
        return wait

    def _drop(self) -> None:
        self._finish_pending(None)

    def _require_synchronous(self, what: str) -> None:
        self._require_ready(what)
        if self.batch_size < self.num_envs:
            raise AsyncStateError(
                f"{what}: expected batch_size to be num_envs={self.num_envs}, got {self.batch_size}; ale-py's vector "
                f"env hands out batches of that size only: use async_reset(), recv() and send()"
            )
        if self._in_flight:
            raise AsyncStateError(f"{what}: expected no env in flight, got {self._in_flight}; recv() them first")

    def _reset_inner(self, seeds: list[int], mask: np.ndarray | None) -> tuple[Any, dict[str, Any]]:
        chosen = np.arange(self.num_envs) if mask is None else np.flatnonzero(mask)
        options = None if mask is None else {"reset_mask": mask}
        result = self._inner.reset(seed=np.array([seeds[env] for env in chosen]), options=options)
        for env in chosen.tolist():
            if seeds[env] != UNSEEDED:
                self._seeds[env] = seeds[env]
        return result

    # -- asynchronous use -----------------------------------------------------------------------------------

    def async_reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> None:
        """As :meth:`fastvec.VectorEnv.async_reset`, of all envs; returns when the first batch is there.

        Raises:
            ValueError: a ``reset_mask``.
            fastvec.errors.AsyncStateError: envs are in flight. With ``batch_size < num_envs`` some always are after
                the first time.
        """
        with self._caller:
            self._require_ready("async_reset")
            if self._in_flight:
                raise AsyncStateError(f"async_reset: expected idle envs, got {self._in_flight} in flight")
            if options is not None and "reset_mask" in options:
                raise ValueError("async_reset: expected no reset_mask for ale-py's vector env; reset() takes one")
            self._first_batch = self._reset_inner(checked_seeds(seed, self.num_envs), None)
            self._idle = None
            self._in_flight = self.num_envs

    def send(self, actions: Any, env_ids: Any) -> None:
        """As :meth:`fastvec.VectorEnv.send`, of the envs that ``recv`` gave last, all of them, in any order."""
        with self._caller:
            self._require_ready("send")
            ids = checked_env_ids(env_ids, self.num_envs, "send")
            if self._idle is None and not self._in_flight:
                raise ResetNeededError("send: expected envs that were reset; call async_reset() first")
            idle = self._idle if self._idle is not None else ids[:0]
            busy = np.setdiff1d(ids, idle)
            if busy.size:
                raise AsyncStateError(
                    f"send: expected idle envs, got env {busy[0]}, which is in flight: recv() it first"
                )
            if len(ids) != self.batch_size:
                raise AsyncStateError(
                    f"send: expected all envs of the last batch, {idle.tolist()}, got {ids.tolist()}: ale-py's vector "
                    f"env takes them back together"
                )
            given = checked_actions(actions, self.single_action_space, self.batch_size)
            order = np.argsort(ids)[np.argsort(np.argsort(idle))]  # ale-py knows them by their place in the batch
            self._inner.send(given[order])
            self._idle = None
            self._in_flight += len(ids)

    def recv(self, timeout: float | None = None, *, batch_size: int | None = None) -> StepReturn:
        """As :meth:`fastvec.VectorEnv.recv`; the batch has to be handed in by ``send`` before the next ``recv``.

        Raises:
            ValueError: another ``batch_size`` than the vector's.
        """
        with self._caller:
            self._require_ready("recv")
            seconds = checked_timeout(timeout)
            if checked_batch_size(batch_size, self) != self.batch_size:
                raise ValueError(
                    f"recv: expected a batch_size of {self.batch_size}, got {batch_size}: ale-py's vector env hands "
                    f"out batches of that size only"
                )
            if self._in_flight < self.batch_size:
                raise AsyncStateError(
                    f"recv: expected at least batch_size={self.batch_size} envs in flight, got {self._in_flight}"
                )
            if self._idle is not None:
                raise AsyncStateError(
                    f"recv: expected the envs of the last batch, {self._idle.tolist()}, to be handed in by send() "
                    f"first: ale-py's vector env takes no older ones"
                )
            batch = without_leftovers(self._received(seconds))
            self._idle = np.array(batch[4]["env_id"], dtype=np.int64)
            self._in_flight -= self.batch_size
        return batch

    @property
    def num_in_flight(self) -> int:
        """See :attr:`fastvec.VectorEnv.num_in_flight`."""
        return self._in_flight

    def _received(self, timeout: float | None) -> Any:
        if self._first_batch is not None:
            (observations, infos), self._first_batch = self._first_batch, None
            none = np.zeros(self.batch_size, dtype=np.bool_)
            return observations, np.zeros(self.batch_size, dtype=np.int32), none, none.copy(), infos
        if timeout is None and self._receiving is None:
            return self._inner.recv()
        if self._receiving is None:
            self._receive(self._inner.recv)
        assert self._receiving is not None
        try:
            batch = self._receiving.result(timeout)
        except FutureTimeout:
            raise CallTimeoutError(f"{self.batch_size} envs did not finish within {timeout} seconds") from None
        self._receiving = None
        return batch

    def _receive(self, receive: Callable[[], Any]) -> None:
        """Let another thread wait: ale-py does so for as long as it takes."""
        self._receiver = self._receiver or ThreadPoolExecutor(1, "fastvec-ale-recv")
        self._receiving = self._receiver.submit(receive)

    # -- what ale-py keeps to itself ------------------------------------------------------------------------

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The last seed of each env; -1 where there was none."""
        return tuple(self._seeds)

    @property  # type: ignore[misc]
    def np_random(self) -> Any:
        """See :attr:`fastvec.VectorEnv.np_random`."""
        raise AttributeError(f"ale-py's vector env shows nothing of its games' generators; {_INSTEAD}")

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """What is the same for all games: the arguments of ``AtariVectorEnv``, and the spaces of one game.

        Raises:
            AttributeError: anything else; the games' own attributes are out of reach.
        """
        return self.call(name)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """``get_action_meanings`` and ``render_mode`` and what :meth:`get_attr` gives, once per game."""
        self._require_ready("call")
        if name == "get_action_meanings" and isinstance(self.single_action_space, Discrete):
            return tuple([action.name for action in self._inner.ale.get_action_set()] for _ in range(self.num_envs))
        shared = {
            **self._settings,
            "observation_space": self.single_observation_space,
            "action_space": self.single_action_space,
            "render_mode": None,
            "spec": self.spec,
        }
        if name not in shared:
            raise AttributeError(
                f"ale-py's vector env does not let {name!r} of its games be reached (known: "
                f"{', '.join(sorted([*shared, 'get_action_meanings']))}); {_INSTEAD}"
            )
        return (shared[name],) * self.num_envs

    def set_attr(self, name: str, values: Any) -> None:
        """Not possible: AttributeError."""
        self._require_ready("set_attr")
        raise AttributeError(f"ale-py's vector env does not let {name!r} of its games be set; {_INSTEAD}")

    def render(self) -> tuple[Any, ...] | None:
        """Not possible: NotImplementedError."""
        self._require_ready("render")
        raise NotImplementedError(f"ale-py's vector env draws nothing; {_INSTEAD}")

    def get_state(self, env_ids: Any = None) -> bytes:
        """Not possible: NotImplementedError."""
        self._require_ready("get_state")
        raise NotImplementedError("ale-py's vector env gives no access to the state of its games")

    def set_state(self, state: bytes, env_ids: Any = None) -> None:
        """Not possible: NotImplementedError."""
        self.get_state()

    # -- the rest -------------------------------------------------------------------------------------------

    def close_extras(self, **kwargs: Any) -> None:
        """End the threads; arrays that were returned stay valid."""
        if not self._home.is_here():  # the threads are the parent's
            return
        if getattr(self, "_receiver", None) is not None:
            assert self._receiver is not None
            self._receiver.shutdown()  # waits for a recv under way: one step of a batch
        self._receiving = self._first_batch = None
        self._inner = None  # nobody else refers to it: ale-py ends its threads


_living: weakref.WeakSet[Any] = weakref.WeakSet()  # ale-py's vector envs


def _leave_them_to_the_parent() -> None:
    """In a forked child: their destructors would join threads that are not there, and end the process over it."""
    for inner in list(_living):
        _core.never_free(inner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_them_to_the_parent)
