"""``fastvec.VectorEnv``: Gymnasium's ``VectorEnv`` with fastvec's extras. The backends implement it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, SupportsIndex

import gymnasium
import numpy as np
from gymnasium import logger
from gymnasium.vector import AutoresetMode
from gymnasium.vector.async_vector_env import AsyncState

from fastvec import _core
from fastvec.errors import ClosedError
from fastvec.vector.pending import AsyncCalls

__all__ = ["StepReturn", "VectorEnv"]

StepReturn = tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


class VectorEnv(AsyncCalls, gymnasium.vector.VectorEnv):
    """``num_envs`` envs that are stepped together. Made by :func:`fastvec.make_vec`.

    Spaces, dtypes, infos, autoreset and seeds are those of ``gymnasium.vector.SyncVectorEnv``, bit for bit.

    *Lifetime of arrays.* With ``copy=True`` (the default) the arrays that ``reset``, ``step`` and ``recv`` return
    alias the engine's memory and are yours: they are never overwritten while you hold them, a view of them, or a
    tensor that shares their memory, not even after ``close``. With ``copy=False`` each call overwrites what the
    one before returned.

    *Threads.* One caller at a time: a call from a second Python thread while one is under way raises
    ``RuntimeError``. The GIL is released while envs run.

    *Processes.* A vector belongs to the process that made it: in a child that is forked from it each call but ``close``
    raises :class:`fastvec.errors.ForkedError`, and the parent's envs do not notice.

    Attributes:
        num_envs: number of envs.
        autoreset_mode: a ``gymnasium.vector.AutoresetMode``, also in ``metadata["autoreset_mode"]``.
        batch_size: number of envs that ``recv`` waits for.
    """

    autoreset_mode: AutoresetMode
    batch_size: int
    _home: _core.Home

    def __new__(cls, *args: Any, **kwargs: Any) -> VectorEnv:
        """Note the process that makes the vector, before any backend's code."""
        self = super().__new__(cls)
        self._home = _core.Home()
        return self

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
        out: Any = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Start new episodes in all envs, or in those that ``options["reset_mask"]`` selects.

        Args:
            seed: an int gives env ``i`` the seed ``seed + i``; a list gives one each (None leaves that env's
                generator as it is); None goes on with the generators.
            options: ``"reset_mask"``, a bool array of shape ``(num_envs,)``: the envs to reset. All other
                entries go to the env (for instance ``low`` and ``high`` in CartPole).
            out: ``(observations,)`` or ``{"observations": array}``: where to write, see :meth:`step`.

        Returns:
            observations of shape ``(num_envs, ...)`` (the rows of envs that are not reset keep their current
            observation) and infos.

        Raises:
            ValueError, TypeError: a bad seed list, mask or option. Nothing was reset then.
            OverflowError: an option that is too large or not finite, where Gymnasium's env raises it. Nothing either.
        """
        raise NotImplementedError

    def step(self, actions: Any, *, out: Any = None) -> StepReturn:
        """Step every env once.

        Args:
            actions: a batch of ``action_space``: an array of shape ``(num_envs, ...)`` per leaf. int64 (Discrete)
                or the Box dtype, C-contiguous, is used where it lies; other integers and lists are converted.
                float64 actions of a float32 Box are computed with as float64 where the env can, as
                SyncVectorEnv does.
            out: where to write instead of fresh arrays: ``(observations, rewards, terminations, truncations)``, a
                shorter tuple, or a dict with these keys. None entries are not given. NumPy arrays or CPU (also
                pinned) torch tensors, C-contiguous and writable, of exactly the shapes and dtypes below. The
                result holds these very objects.

        Returns:
            observations ``(num_envs, ...)``, rewards float64 ``(num_envs,)``, terminations bool, truncations bool,
            and infos, a dict of arrays with a bool mask ``_key`` for each ``key``.

        Raises:
            fastvec.errors.InvalidActionError: an action of the wrong shape, dtype or value; nothing was stepped.
            fastvec.errors.ResetNeededError: before ``reset``, or a finished env with autoreset disabled.
            fastvec.errors.ClosedError: after ``close``.
            fastvec.EnvError: envs raised errors; all others have stepped, see its ``batch``.
        """
        raise NotImplementedError

    def async_reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> None:
        """Hand in all envs (or those of ``options["reset_mask"]``) to be reset; :meth:`recv` gives them back.

        Arguments as for :meth:`reset`.

        Raises:
            fastvec.errors.AsyncStateError: an env to be reset is in flight.
        """
        raise NotImplementedError

    def send(self, actions: Any, env_ids: Any) -> None:
        """Hand in envs to be stepped.

        Args:
            actions: ``(len(env_ids), ...)`` per leaf; copied.
            env_ids: int array of shape ``(k,)``: any idle envs, each once.

        Raises:
            ValueError: an id out of range or named twice. TypeError: ids that are not integers.
            fastvec.errors.AsyncStateError: an env that is in flight already. Nothing was handed in, in all cases.
        """
        raise NotImplementedError

    def recv(self, timeout: float | None = None, *, batch_size: int | None = None) -> StepReturn:
        """Wait for ``batch_size`` envs, in the order in which they finish.

        Args:
            timeout: seconds to wait at most; None waits as long as it takes.
            batch_size: another number of envs than :attr:`batch_size`, this time. ``batch_size=envs.num_in_flight``
                gives all that is still out, before a ``step`` or ``reset`` of the whole vector.

        Returns:
            what :meth:`step` returns, with ``batch_size`` rows; ``infos["env_id"]`` (int64) says whose they are.

        Raises:
            TimeoutError: not enough envs finished in time; nothing is lost, call again.
            fastvec.errors.AsyncStateError: fewer than ``batch_size`` envs are in flight, so it would wait forever.
            ValueError: a ``batch_size`` below 1 or above ``num_envs``.
        """
        raise NotImplementedError

    @property
    def num_in_flight(self) -> int:
        """Number of envs that were handed in, by ``async_reset`` or ``send``, and not received yet."""
        raise NotImplementedError

    state_is_pickled: bool = False
    """Whether :meth:`set_state` unpickles what it is given, which runs what is in it."""

    def get_state(self, env_ids: Any = None) -> bytes:
        """Everything from which these envs (default: all) go on bit for bit, as bytes.

        That is each env's own state, its random generator, its elapsed steps and whether it awaits a reset.

        Args:
            env_ids: int array of shape ``(k,)``, each env once; None for all.

        Raises:
            fastvec.errors.AsyncStateError: one of them is in flight. ValueError, TypeError: no such env.
        """
        raise NotImplementedError

    def set_state(self, state: bytes, env_ids: Any = None) -> None:
        """Load what :meth:`get_state` gave for as many envs, in this vector or another of the same kind.

        Args:
            state: the bytes.
            env_ids: int array of shape ``(k,)``, each env once: where they go, in this order; None for all.

        Raises:
            fastvec.errors.StateError: the bytes are damaged, or come from another env id, other keyword
                arguments, another number of envs or another version. Nothing is changed then.
        """
        raise NotImplementedError

    def xla(self) -> Any:
        """Functions that step a native vector inside ``jax.jit``, and the handle that they pass on.

        ``handle, reset, step, send, recv = envs.xla()``, in the shape that EnvPool's and ale-py's have::

            handle, (observations, infos) = reset(handle, seed=0)
            handle, (observations, rewards, terminated, truncated, infos) = step(handle, actions)

        Each call takes the newest handle and returns the next one. The vector has to be kept as long as they are used.
        After an error, call ``xla()`` again for the newest handle; the functions stay equal. See docs/jax.md.

        Raises:
            AttributeError: envs of another backend.
            gymnasium.error.DependencyNotInstalled: JAX is missing.
        """
        raise AttributeError(f"{type(self).__name__} has no xla(): native vectors have")

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """A copy of each env's generator: drawing from it does not change the env."""
        raise NotImplementedError

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each env's generator; -1 where it was set in another way."""
        raise NotImplementedError

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method (or read an attribute) of every env: a tuple with one result per env.

        Native envs answer through Gymnasium's own class, with their state loaded into it; what the method changes is
        carried back. Convenient, and as slow as Python.

        Raises:
            AttributeError: an env has no such name, or no counterpart in Gymnasium that could answer.
            fastvec.EnvError: the method raised (process backend); those of other envs were called all the same.
        """
        raise NotImplementedError

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """The attribute ``name`` of every env; see :meth:`call`."""
        return self.call(name)

    def set_attr(self, name: str, values: list[Any] | tuple[Any, ...] | Any) -> None:
        """Set an attribute of the envs.

        Args:
            name: the attribute's.
            values: a list or tuple with one value per env, or one value for all.

        Raises:
            ValueError: a list of the wrong length, or a value that the attribute cannot take.
            AttributeError: the env has the attribute, but its native counterpart could not follow.
        """
        raise NotImplementedError

    def close(self, **kwargs: Any) -> None:
        """Close the envs; arrays that were returned stay valid. Again is no error.

        A pending call is let end, and what it returns is dropped: a UserWarning says so, as ``AsyncVectorEnv``'s does.

        Args:
            kwargs: ``timeout`` and ``terminate`` of the process backend, see :class:`fastvec.process.ProcessVectorEnv`.
        """
        try:
            if not self.closed and self._state is not AsyncState.DEFAULT and self._home.is_here():
                what = self._state.value
                logger.warn(f"Calling `close` while waiting for a pending call to `{what}` to complete.", stacklevel=2)
        finally:
            super().close(**kwargs)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the numbers that :meth:`set_attr` sets for each native env; of other envs, none."""
        return ()

    @property
    def max_episode_steps(self) -> int | None:
        """Steps after which an episode is truncated, as registered or given; None for no limit, and for callables."""
        limit = None if self.spec is None else self.spec.max_episode_steps
        return None if limit == -1 else limit

    @property
    def info_fields(self) -> tuple[tuple[str, np.dtype[Any], tuple[int, ...]], ...]:
        """``(key, dtype, shape of a row)`` of what a native vector's infos may hold; a key may have several dtypes.

        Raises:
            AttributeError: envs of another backend, which say nothing of it.
        """
        raise AttributeError(f"{type(self).__name__} does not know what its envs put into infos: native vectors do")

    @property
    def bytes_per_env(self) -> int:
        """Bytes that one native env's state takes in the engine, without the batch's arrays.

        Raises:
            AttributeError: envs of another backend, whose memory nobody counts.
        """
        raise AttributeError(f"{type(self).__name__} does not count the bytes of its envs: native vectors do")

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """``copy`` and ``pickle`` are refused: TypeError says what to do in their place."""
        again = "the same callables make another" if self.spec is None else "fastvec.make_vec(envs.spec) makes another"
        raise TypeError(
            f"a {type(self).__name__} cannot be copied or pickled, because its envs live with their threads or in "
            f"processes of their own: {again}, and its set_state(envs.get_state()) brings it to where this one is"
        )

    def _require_open(self) -> None:
        if self.closed:
            raise ClosedError("this vector env is closed")
        self._home.require()
