"""``fastvec.VectorEnv``: a vector of native envs behind Gymnasium's ``VectorEnv`` API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from fastvec import _core, snapshot
from fastvec.companions import companion_for
from fastvec.errors import ClosedError
from fastvec.kwargs import ordered_kwargs
from fastvec.mirror import Mirror
from fastvec.registry import NativeEnv
from fastvec.seeding import random_words, seed_list, seed_words
from fastvec.spaces import build_space, final_rows

__all__ = ["VectorEnv"]

_MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED]


class VectorEnv(gymnasium.vector.VectorEnv):
    """``num_envs`` native envs, stepped together by a C++ thread pool.

    Made by :func:`fastvec.make_vec`. Spaces, dtypes, infos, autoreset and seeds are those of
    ``gymnasium.vector.SyncVectorEnv``, bit for bit.

    *Lifetime of arrays.* With ``copy=True`` (the default) the arrays that ``reset``, ``step`` and ``recv`` return
    alias the engine's memory and are yours: they are never overwritten while you hold them, a view of them, or a
    tensor that shares their memory, not even after ``close``. With ``copy=False`` each call overwrites what the one
    before returned.

    *Threads.* One caller at a time: a call from a second Python thread while one is under way raises
    ``RuntimeError``. The GIL is released while envs run.

    Attributes:
        num_envs: number of envs.
        autoreset_mode: a ``gymnasium.vector.AutoresetMode``, also in ``metadata["autoreset_mode"]``.
        batch_size: number of envs that ``recv`` waits for.
        num_threads: upper limit of threads that step; the caller is one of them.
    """

    autoreset_mode: AutoresetMode

    def __init__(
        self,
        native: NativeEnv,
        num_envs: int,
        *,
        num_threads: int,
        autoreset_mode: AutoresetMode,
        copy: bool,
        batch_size: int,
        pin_threads: bool,
        max_episode_steps: int | None,
        render_mode: str | None,
        env_kwargs: dict[str, Any],
    ) -> None:
        self._native = native
        self._companion = companion_for(native.id)
        native_kwargs = self._companion.prepare_kwargs(env_kwargs) if self._companion else env_kwargs
        self._kwargs = ordered_kwargs(native.id, native.kwargs, native_kwargs)
        self._option_names = native.option_names
        self._core = _core.VectorCore(
            native.core,
            self._kwargs,
            num_envs=num_envs,
            num_threads=num_threads,
            pin_threads=pin_threads,
            autoreset_mode=_MODES.index(autoreset_mode),
            max_episode_steps=-1 if max_episode_steps is None else max_episode_steps,
            copy=copy,
            batch_size=batch_size,
        )
        self.num_envs = num_envs
        self.num_threads = num_threads
        self.batch_size = batch_size
        self.autoreset_mode = autoreset_mode
        self.single_observation_space = build_space(self._core.observation_space)
        self.single_action_space = build_space(self._core.action_space)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

        self._mirror = Mirror(self._companion, env_kwargs, max_episode_steps, render_mode)
        can_draw = self._core.can_render
        self.metadata = {
            **(self._mirror.metadata if self._companion else {"render_modes": ["rgb_array"] if can_draw else []}),
            "autoreset_mode": autoreset_mode,
        }
        self.render_mode = render_mode
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(
                f"{native.id}: expected render_mode to be None or one of {self.metadata['render_modes']}, "
                f"got {render_mode!r}"
            )

        words = random_words(num_envs)
        self._seed_words: list[int] | np.ndarray = words
        self._core_seed = (words, None)  # for the first reset, unless that one is given a seed

    # -- stepping -------------------------------------------------------------------------------------------

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
        """
        seeds, mask, values = self._reset_arguments(seed, options)
        result = self._core.reset(*seeds, mask, values, out)
        self._render_human()
        return result

    def step(self, actions: Any, *, out: Any = None) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Step every env once.

        Args:
            actions: a batch of ``action_space``: an array of shape ``(num_envs, ...)`` per leaf. int64 (Discrete)
                or the Box dtype, C-contiguous, is used where it lies; other integers and lists are converted.
                float64 actions of a float32 Box are computed with as float64, as SyncVectorEnv does.
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
        result = self._core.step(actions, out)
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            self._add_final(result[4])
        self._render_human()
        return result

    def _add_final(self, infos: dict[str, Any]) -> None:
        """Add ``final_obs`` and ``final_info`` of the episodes that ended in this step (SameStep)."""
        final = self._core.final()
        if final is None:
            return
        mask, observations, info = final
        envs = np.flatnonzero(mask)
        rows = np.full(self.num_envs, None, dtype=object)
        for env, row in zip(envs, final_rows(self.single_observation_space, observations, envs), strict=True):
            rows[env] = row
        infos["final_obs"], infos["_final_obs"] = rows, mask
        infos["final_info"], infos["_final_info"] = info, mask.copy()

    # -- asynchronous use -----------------------------------------------------------------------------------

    def async_reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> None:
        """Hand in all envs (or those of ``options["reset_mask"]``) to be reset; :meth:`recv` gives them back.

        Arguments as for :meth:`reset`. NextStep and Disabled autoreset only.

        Raises:
            fastvec.errors.AsyncStateError: an env to be reset is in flight.
        """
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            raise ValueError("asynchronous use: expected autoreset_mode NextStep or Disabled, got SameStep")
        seeds, mask, values = self._reset_arguments(seed, options)
        self._core.async_reset(*seeds, mask, values)

    def send(self, actions: Any, env_ids: Any) -> None:
        """Hand in envs to be stepped.

        Args:
            actions: ``(len(env_ids), ...)`` per leaf; copied.
            env_ids: int array of shape ``(k,)``: any idle envs, each once.

        Raises:
            ValueError: an id out of range or named twice. TypeError: ids that are not integers.
            fastvec.errors.AsyncStateError: an env that is in flight already. Nothing was handed in, in all cases.
        """
        self._core.send(actions, _env_ids(env_ids))

    def recv(self, timeout: float | None = None) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Wait for ``batch_size`` envs, in the order in which they finish.

        Args:
            timeout: seconds to wait at most; None waits as long as it takes.

        Returns:
            what :meth:`step` returns, with ``batch_size`` rows; ``infos["env_id"]`` (int64) says whose they are.

        Raises:
            TimeoutError: not enough envs finished in time; nothing is lost, call again.
            fastvec.errors.AsyncStateError: fewer than ``batch_size`` envs are in flight, so it would wait forever.
        """
        return self._core.recv(None if timeout is None else float(timeout))

    # -- snapshots ------------------------------------------------------------------------------------------

    def get_state(self, env_ids: Any = None) -> bytes:
        """Everything from which these envs (default: all) go on bit for bit, as bytes.

        That is each env's own state, its random generator, its elapsed steps and whether it awaits a reset.
        """
        ids = np.arange(self.num_envs) if env_ids is None else _env_ids(env_ids)
        return snapshot.pack(self._core.save_state(ids), self._fingerprint(), len(ids))

    def set_state(self, state: bytes, env_ids: Any = None) -> None:
        """Load what :meth:`get_state` gave for as many envs, in this vector or another of the same kind.

        Raises:
            fastvec.errors.StateError: the bytes are damaged, or come from another env id, other keyword
                arguments, another number of envs or another version. Nothing is changed then.
        """
        ids = np.arange(self.num_envs) if env_ids is None else _env_ids(env_ids)
        self._core.load_state(ids, snapshot.unpack(state, self._fingerprint(), len(ids)))
        self._seed_words = [-1] * self.num_envs if env_ids is None else self._seeds_with(ids, -1)

    def _fingerprint(self) -> dict[str, Any]:
        return {"env_id": self._native.id, "kwargs": self._kwargs}

    # -- attributes of the envs -----------------------------------------------------------------------------

    @property
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """A copy of each env's generator: drawing from it does not change the env."""
        self._require_open()
        return tuple(self._generator(i) for i in range(self.num_envs))

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each env's generator; -1 where it was set in another way."""
        if isinstance(self._seed_words, list):
            return tuple(self._seed_words)
        return tuple(int.from_bytes(row.tobytes(), "little") for row in self._seed_words)

    def _generator(self, env: int) -> np.random.Generator:
        state_high, state_low, increment_high, increment_low, has_uint32, uint32 = self._core.rng_state(env)
        bits = np.random.PCG64()
        bits.state = {
            "bit_generator": "PCG64",
            "state": {"state": state_high << 64 | state_low, "inc": increment_high << 64 | increment_low},
            "has_uint32": has_uint32,
            "uinteger": uint32,
        }
        return np.random.Generator(bits)

    def _set_generator(self, env: int, generator: np.random.Generator) -> None:
        state = generator.bit_generator.state
        if state["bit_generator"] != "PCG64":
            raise ValueError(f"expected a Generator on PCG64, got one on {state['bit_generator']}")
        low = (1 << 64) - 1
        numbers = state["state"]["state"], state["state"]["inc"]
        words = [part for number in numbers for part in (number >> 64, number & low)]
        self._core.set_rng_state(env, *words, state["has_uint32"], state["uinteger"])

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method (or read an attribute) of every env, as SyncVectorEnv does.

        It is Gymnasium's own class that answers, with the native env's state loaded into it; what the method
        changes is carried back. Convenient, and as slow as Python.

        Raises:
            AttributeError: there is no such name, or the env has no counterpart in Gymnasium.
        """
        self._require_open()
        if name == "render":
            return tuple(self.render() or ())
        if name == "np_random_seed":
            return self.np_random_seed
        if name == "np_random":
            return self.np_random
        results = []
        for env in range(self.num_envs):
            mirrored = self._load_mirror(env)
            value = mirrored.get_wrapper_attr(name)
            if callable(value):
                value = value(*args, **kwargs)
                self._store_mirror(env)
            results.append(value)
        return tuple(results)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """The attribute ``name`` of every env; see :meth:`call`."""
        return self.call(name)

    def set_attr(self, name: str, values: list[Any] | tuple[Any, ...] | Any) -> None:
        """Set an attribute of the envs that is part of their state (``state``, ``np_random``...).

        Args:
            values: a list or tuple with one value per env, or one value for all.

        Raises:
            ValueError: a list of the wrong length.
            AttributeError: the attribute is not part of the native state, so setting it could have no effect.
        """
        self._require_open()
        if not isinstance(values, (list, tuple)):
            values = [values] * self.num_envs
        if len(values) != self.num_envs:
            raise ValueError(
                "Values must be a list or tuple with length equal to the number of environments. "
                f"Got `{len(values)}` values for {self.num_envs} environments."
            )
        for env, value in enumerate(values):
            if name == "np_random":
                self._set_generator(env, value)
                self._seed_words = self._seeds_with([env], -1)
                continue
            before = self._core.save_env(env)
            self._load_mirror(env).set_wrapper_attr(name, value)
            self._store_mirror(env)
            kept = self._load_mirror(env, fresh=True).get_wrapper_attr(name)
            if not np.array_equal(np.asarray(kept), np.asarray(value)):
                self._core.load_env(env, before)
                raise AttributeError(
                    f"{self._native.id}: {name!r} is not part of the native env's state and cannot be set"
                )

    def _load_mirror(self, env: int, *, fresh: bool = False) -> gymnasium.Env:
        return self._mirror.load(
            self._core.save_env(env),
            self._core.elapsed_steps(env),
            self._generator(env),
            self.np_random_seed[env],
            fresh=fresh,
        )

    def _store_mirror(self, env: int) -> None:
        state, elapsed, generator = self._mirror.dump()
        self._core.load_env(env, state)
        self._core.set_elapsed_steps(env, elapsed)
        self._set_generator(env, generator)

    # -- pictures -------------------------------------------------------------------------------------------

    def render(self) -> tuple[Any, ...] | None:
        """One frame per env, drawn by Gymnasium's own renderer (or the env's, where Gymnasium has none)."""
        self._require_open()
        if self._core.can_render and self.render_mode == "rgb_array":
            return tuple(self._core.render(env) for env in range(self.num_envs))
        return tuple(self._load_mirror(env).render() for env in range(self.num_envs))

    def _render_human(self) -> None:
        if self.render_mode == "human":
            self.render()

    # -- the rest -------------------------------------------------------------------------------------------

    @property
    def bytes_per_env(self) -> int:
        """Bytes that one env's state takes in the engine, without the batch's arrays."""
        self._require_open()
        return self._core.bytes_per_env

    def close_extras(self, **kwargs: Any) -> None:
        """End the threads and free the envs; arrays that were returned stay valid."""
        if hasattr(self, "_core"):
            self._core.close()
            self._mirror.close()

    def _require_open(self) -> None:
        if self.closed:
            raise ClosedError("this vector env is closed")

    def _reset_arguments(
        self, seed: int | Sequence[int | None] | None, options: dict[str, Any] | None
    ) -> tuple[tuple[Any, Any], np.ndarray | None, list[tuple[int, float]] | None]:
        """``(seed words, seed mask), reset mask, options`` as the native core takes them."""
        seeds = seed_list(seed, self.num_envs)
        mask = None if options is None else self._reset_mask(options)
        values = None if options is None else self._option_values(options)
        # Random seeds wait for the first reset: an env that it leaves unseeded gets its own then.
        first, self._core_seed = self._core_seed, (None, None)
        if seeds is None:
            return first, mask, values
        words, seeded = seed_words(seeds)
        if mask is not None:
            seeded = mask if seeded is None else seeded & mask
        if first[0] is not None:
            words, seeded = _merge(words, seeded, first[0]), None
            self._seed_words = words
        elif seeded is None:
            self._seed_words = words
        else:
            ids = np.flatnonzero(seeded)
            known = list(self.np_random_seed)
            for env in ids:
                known[env] = seeds[env]  # type: ignore[call-overload]
            self._seed_words = known
        return (words, seeded), mask, values

    def _reset_mask(self, options: dict[str, Any]) -> np.ndarray | None:
        if "reset_mask" not in options:
            return None
        mask = options["reset_mask"]
        if not isinstance(mask, np.ndarray):
            raise TypeError(f"`options['reset_mask']` must be a numpy array, got {type(mask)}")
        if mask.shape != (self.num_envs,):
            raise ValueError(
                f"`options['reset_mask']` must have shape `({self.num_envs},)`, got {mask.shape}"
            )
        if mask.dtype != np.bool_:
            raise TypeError(f"`options['reset_mask']` must have `dtype=np.bool_`, got {mask.dtype}")
        if not mask.any():
            raise ValueError(
                f"`options['reset_mask']` must contain a boolean array with at least one True value, "
                f"got reset_mask={mask}"
            )
        return np.ascontiguousarray(mask)

    def _option_values(self, options: dict[str, Any]) -> list[tuple[int, float]]:
        values = []
        for index, name in enumerate(self._option_names):
            if name in options:
                try:
                    values.append((index, float(options[name])))
                except (TypeError, ValueError) as error:
                    raise ValueError(
                        f"An option ({options[name]}) could not be converted to a float."
                    ) from error
        return values

    def _seeds_with(self, envs: Any, seed: int) -> list[int]:
        known = list(self.np_random_seed)
        for env in envs:
            known[env] = seed
        return known


def _merge(words: np.ndarray, mask: np.ndarray | None, others: np.ndarray) -> np.ndarray:
    """``words`` where the mask is True, ``others`` elsewhere; both as wide as the wider."""
    if mask is None:
        return words
    merged = others.copy()
    merged[mask] = 0
    merged[mask, : words.shape[1]] = words[mask]
    return merged


def _env_ids(env_ids: Any) -> np.ndarray:
    ids = np.asarray(env_ids)
    if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
        raise TypeError(f"expected env_ids to be a one-dimensional array of integers, got {env_ids!r}")
    return np.ascontiguousarray(ids, dtype=np.int64)


