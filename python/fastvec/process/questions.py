"""What is asked of each env of a vector: its attributes, what its methods return, its state."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from fastvec.errors import StateError
from fastvec.process.calls import PoolCalls, PostedCall
from fastvec.process.parent.failures import raise_failures
from fastvec.process.parent.outstanding import ALL_ENVS
from fastvec.process.wire.pickling import dumps
from fastvec.vector import state_format
from fastvec.vector.arguments import checked_env_ids, values_per_env
from fastvec.vector.pending import Wait

__all__ = ["EnvQuestions"]


class EnvQuestions(PoolCalls):
    """A vector whose envs can be asked: each worker gets a message, and tells something of each of its envs."""

    state_is_pickled = True

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """A copy of each env's generator: drawing from it does not change the env."""
        return self.get_attr("np_random")

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each env's generator; -1 where it was set in another way."""
        return self.get_attr("np_random_seed")

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method (or read an attribute) of every env, in all workers at once.

        Arguments and results are pickled on their way: what comes back are copies.

        Raises:
            AttributeError: an env has no such name.
            fastvec.EnvError: the method raised; those of other envs were called all the same.
        """
        return self._ask("call", lambda share: (name, args, kwargs))

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """A copy of the attribute ``name`` of every env; see :meth:`call`."""
        return self.call(name)

    def set_attr(self, name: str, values: list[Any] | tuple[Any, ...] | Any) -> None:
        """Set an attribute of the envs.

        Args:
            values: a list or tuple with one value per env, or one value for all.

        Raises:
            ValueError: a list of the wrong length.
        """
        one_each = values_per_env(values, self.num_envs)
        self._ask("set", lambda share: (name, one_each[share.start : share.stop]))

    def render(self) -> tuple[Any, ...] | None:
        """What each env's ``render`` returns."""
        return self.call("render")

    def _ask(self, name: str, arguments: Callable[[range], tuple[Any, ...]]) -> tuple[Any, ...]:
        """Send each worker a message and return the results of all, one per env."""
        with self._call(name, None):
            return self._complete(self._post_question(name, arguments), None)

    def _post_question(self, name: str, arguments: Callable[[range], tuple[Any, ...]]) -> PostedCall:
        contents = [(worker, ALL_ENVS, arguments(share)) for worker, share in enumerate(self._pool.shares)]
        self._pool.post_messages(name, contents)
        return PostedCall(_nothing, _results)

    def _begin_call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Wait:
        return self._begin_with("call", lambda: self._post_question("call", lambda share: (name, args, kwargs)))

    # -- states ---------------------------------------------------------------------------------------------

    def get_state(self, env_ids: Any = None) -> bytes:
        """As :meth:`fastvec.VectorEnv.get_state`: each env is pickled, with its wrappers and generator.

        Raises:
            NotImplementedError: an env cannot be pickled (Box2D's, for instance).
        """
        envs = np.arange(self.num_envs) if env_ids is None else checked_env_ids(env_ids, self.num_envs, "get_state")
        states = dict(zip(self._by_worker(envs), self._ask("save", lambda share: (_rows(envs, share),)), strict=True))
        content = [states[env] for env in envs.tolist()], *self._episodes.state_of(envs)
        return state_format.pack(dumps(content), self._fingerprint(), len(envs))

    def set_state(self, state: bytes, env_ids: Any = None) -> None:
        """See :meth:`fastvec.VectorEnv.set_state`."""
        envs = np.arange(self.num_envs) if env_ids is None else checked_env_ids(env_ids, self.num_envs, "set_state")
        payload, _ = state_format.unpack(state, self._fingerprint(), len(envs))
        try:
            loaded, finished, was_reset = pickle.loads(payload)
        except Exception as error:
            raise StateError(f"the state cannot be read here: {type(error).__name__}: {error}") from error
        places = {env: i for i, env in enumerate(envs.tolist())}

        def arguments(share: range) -> tuple[Any, ...]:
            rows = _rows(envs, share)
            return rows, [loaded[places[share.start + row]] for row in rows]

        self._ask("load", arguments)
        self._episodes.load(envs, finished, was_reset)

    def _by_worker(self, envs: np.ndarray) -> list[int]:
        return [share.start + row for share in self._pool.shares for row in _rows(envs, share)]

    def _fingerprint(self) -> dict[str, Any]:
        name = None if self.spec is None else self.spec.id
        return {"env_id": name, "observation_space": str(self.single_observation_space), "backend": "process"}


def _nothing() -> None:
    pass


def _results(messages: list[Any]) -> tuple[Any, ...]:
    """What the envs have told, one each, from the workers' messages."""
    failures = [failure for _, _, failed in messages for failure in failed]
    if failures:
        if any(flag for flag, _, _ in messages):  # the very error, not one of the env's own code
            first = min(failures, key=lambda failure: failure.env)
            kind = type(first.error) if isinstance(first.error, (AttributeError, NotImplementedError)) else None
            raise (kind or RuntimeError)(f"env {first.env}: {first.summary}") from first.error
        raise_failures(failures, None)
    return tuple(value for _, results, _ in messages for value in (results or ()))


def _rows(envs: np.ndarray, share: range) -> list[int]:
    return (envs[(envs >= share.start) & (envs < share.stop)] - share.start).tolist()
