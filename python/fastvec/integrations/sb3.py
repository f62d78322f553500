"""fastvec (or any Gymnasium vector) as the ``VecEnv`` that Stable-Baselines3 trains on. Needs stable-baselines3."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

import fastvec
from fastvec.ale.backend import is_ale_id
from fastvec.ale.vector_env import AleVectorEnv
from fastvec.integrations.infos import row_of, split_infos
from fastvec.integrations.sb3_monitor import MonitorRecord
from fastvec.native.vector_env import NativeVectorEnv
from fastvec.vector.autoreset import Autoreset, autoreset_mode_of

try:
    from stable_baselines3.common.env_util import is_wrapped
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.preprocessing import check_for_nested_spaces
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise ImportError(
        f"fastvec.integrations.sb3 needs Stable-Baselines3 ({error}): pip install stable-baselines3"
    ) from error

__all__ = ["SB3VecEnv"]

Indices = None | int | Iterable[int]


class SB3VecEnv(VecEnv):
    """A ``stable_baselines3.common.vec_env.VecEnv`` on one vector of envs.

    What it returns is what SB3's ``DummyVecEnv`` returns over the same envs: the observation after the end of an
    episode is the first one of the next, ``infos[i]["terminal_observation"]`` the last one of the one that ended,
    ``infos[i]["TimeLimit.truncated"]`` says whether it was cut short and not terminated, and ``reset_infos[i]`` is
    what the env's last reset said. Rewards are float32 ``(num_envs,)``, dones bool ``(num_envs,)``. Arrays are yours:
    no later call overwrites them.

    Args:
        env: what :func:`fastvec.make_vec` takes (an id, or a callable or a list of them that make envs), or a
            ``gymnasium.vector.VectorEnv`` with autoreset mode SameStep or Disabled. That vector is closed with this
            object.
        num_envs: number of envs; not needed for a vector or a list.
        monitor: count the return and the length of episodes, and report them in ``infos[i]["episode"]`` as SB3's
            ``Monitor`` wrapper does: keys ``r`` (return), ``l`` (steps), ``t`` (seconds since this object was made).
            ``env_method`` and ``get_attr`` then know ``get_episode_rewards`` and the like, too.
        seed: of the first :meth:`reset`, as in SB3's ``make_vec_env``: env ``i`` gets ``seed + i``, and the action
            space ``seed``. None draws it from NumPy's global generator, so that ``np.random.seed`` repeats a run; a
            vector that is made already goes on with the generators that it has.
        step_infos: pass on what the envs put into their infos at every step. With False only the infos of episodes
            that ended are split into dicts, which saves time where envs report much.
        **kwargs: passed on to :func:`fastvec.make_vec`.

    Raises:
        ValueError: a vector with autoreset mode NextStep, which shows the next episode's first observation one step
            later than SB3 expects it; or a wrong ``num_envs``.
        TypeError: keyword arguments beside a vector that is made already.
        NotImplementedError: an observation space with a Dict or Tuple inside another, which SB3 does not know.
    """

    def __init__(
        self,
        env: Any,
        num_envs: int | None = None,
        *,
        monitor: bool = True,
        step_infos: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        is_made_here = not isinstance(env, gym.vector.VectorEnv)
        self.envs = _make(env, num_envs, kwargs)
        self.monitor = monitor
        self.step_infos = step_infos
        self._autoreset = Autoreset(autoreset_mode_of(self.envs))
        self._copies = _overwrites_its_arrays(self.envs)
        self._actions: Any = None
        self._was_reset = False
        count = self.envs.num_envs
        self._monitor_record = MonitorRecord(count)
        check_for_nested_spaces(self.envs.single_observation_space)
        super().__init__(count, self.envs.single_observation_space, self.envs.single_action_space)
        self.metadata = {key: value for key, value in self.envs.metadata.items() if key != "autoreset_mode"}
        if seed is not None:
            self.action_space.seed(seed)
        if seed is not None or is_made_here:
            self.seed(seed)

    # -- stepping -------------------------------------------------------------------------------------------

    def reset(self) -> Any:
        """Start all episodes anew, with what :meth:`seed` and :meth:`set_options` said since the last time."""
        seeds = None if all(seed is None for seed in self._seeds) else list(self._seeds)
        options = [dict(entry) if entry else {} for entry in self._options]
        self.reset_infos = [{} for _ in range(self.num_envs)]
        if all(entry == options[0] for entry in options):
            observations = self._reset(seeds, options[0], None)
        else:
            observations = self._reset_one_by_one(seeds, options)
        self._was_reset = True
        self._monitor_record.reset()
        self._reset_seeds()
        self._reset_options()
        return observations

    def _reset(self, seeds: list[int | None] | None, options: dict[str, Any], mask: np.ndarray | None) -> Any:
        given = dict(options) if mask is None else {**options, "reset_mask": mask}
        seed: Any = seeds
        observations, infos = self.envs.reset(seed=seed, options=given or None)
        ids = range(self.num_envs) if mask is None else np.flatnonzero(mask).tolist()
        for i in ids:
            self.reset_infos[i] = {}
        split_infos(infos, {i: self.reset_infos[i] for i in ids})
        return self._own(observations)

    def _reset_one_by_one(self, seeds: list[int | None] | None, options: list[dict[str, Any]]) -> Any:
        """A reset in which the envs have different options: one masked reset for each."""
        if not self._was_reset:
            # Gymnasium's vectors want a whole reset before a masked one. No generator was seeded before: nothing
            # that could be repeated is lost by resetting twice.
            self._reset(seeds, options[0], None)
        observations = None
        for i, entry in enumerate(options):
            observations = self._reset(seeds, entry, np.arange(self.num_envs) == i)
        return observations

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seeds for the next :meth:`reset`: env ``i`` gets ``seed + i``; None draws it from NumPy's generator."""
        if seed is None and isinstance(self.envs.unwrapped, AleVectorEnv):  # whose seeds have 31 bits
            seed = int(np.random.randint(0, 2**31 - self.num_envs))
        return super().seed(seed)

    def step_async(self, actions: np.ndarray) -> None:
        """Keep ``actions`` ``(num_envs, ...)`` for :meth:`step_wait`."""
        space = self.action_space
        if not isinstance(space, gym.spaces.Box) and np.asarray(actions).dtype.kind == "f":
            actions = np.asarray(actions).astype(space.dtype)  # SB3 samples MultiBinary actions as floats
        self._actions = actions

    def step_wait(self) -> tuple[Any, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Step all envs: ``(observations, rewards, dones, infos)``, as the class describes them."""
        observations, rewards, terminated, truncated, step_infos = self.envs.step(self._actions)
        dones = terminated | truncated
        rewards32 = rewards.astype(np.float32)
        # A new dict each: SB3's wrappers write into them, and its replay buffers keep them.
        infos: list[dict[str, Any]] = [{"TimeLimit.truncated": False} for _ in range(self.num_envs)]
        if self.monitor:
            self._monitor_record.step(rewards)
        ended = np.flatnonzero(dones).tolist()
        if ended:
            for i in ended:
                infos[i]["TimeLimit.truncated"] = bool(truncated[i] and not terminated[i])
            observations, step_infos = self._end_episodes(ended, dones, observations, step_infos, infos)
        if self.step_infos and step_infos:
            split_infos(step_infos, {i: info for i, info in enumerate(infos) if not dones[i]})
        return self._own(observations), rewards32, dones, infos

    def _end_episodes(
        self, ended: list[int], dones: np.ndarray, observations: Any, step_infos: Any, infos: list[dict[str, Any]]
    ) -> tuple[Any, dict[str, Any]]:
        """Complete the infos of the episodes that ended; the observations to go on with, and the others' infos."""
        if self._autoreset.needs_reset:  # which may overwrite them
            observations, step_infos = self._own(observations), self._own(step_infos)
        final_obs = self._autoreset.last_observations(observations, step_infos)
        final_infos = self._autoreset.last_infos(step_infos)
        step_infos = reset_infos = self._autoreset.other_infos(step_infos)
        if self._autoreset.needs_reset:
            observations, reset_infos = self.envs.reset(options={"reset_mask": dones.copy()})
        split_infos(final_infos, {i: infos[i] for i in ended})
        for i in ended:
            self.reset_infos[i] = {}
            # A copy: a view of one row would keep the whole batch.
            infos[i]["terminal_observation"] = deepcopy(row_of(final_obs, i))
            if self.monitor:
                infos[i]["episode"] = self._monitor_record.end(i)
        split_infos(reset_infos, {i: self.reset_infos[i] for i in ended})
        return observations, step_infos

    def _own(self, arrays: Any) -> Any:
        """``arrays``, or copies of them where the vector's next call overwrites them."""
        return deepcopy(arrays) if self._copies else arrays

    def close(self) -> None:
        """Close the vector."""
        self.envs.close()

    # -- copies ---------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """For ``copy`` and ``pickle``: a fastvec vector by its spec and its state, another one as it is.

        Raises:
            TypeError: the vector was made of callables, or its envs' states cannot be read.
        """
        state = self.__dict__.copy()
        vector = self.envs
        if isinstance(vector, fastvec.VectorEnv) and vector.spec is not None:
            try:
                state["envs"] = _Recorded(vector.spec, vector.get_state())
            except NotImplementedError as error:
                raise TypeError(
                    f"{type(self).__name__} over {vector.spec.id} cannot be copied or pickled ({error}): make another "
                    f"with the same arguments"
                ) from error
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if isinstance(self.envs, _Recorded):
            recorded = self.envs
            self.envs = fastvec.make_vec(recorded.spec)
            self.envs.set_state(recorded.state)

    # -- attributes of the envs -----------------------------------------------------------------------------

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """The attribute of the given envs (default: all).

        Raises:
            AttributeError: the envs have none of that name.
        """
        chosen = self._ids(indices)
        if attr_name == "render_mode":  # asked for by SB3 at once; a native env would be mirrored in Python for it
            return [self.envs.render_mode for _ in chosen]
        if self.monitor and attr_name in self._monitor_record.attributes(0):
            return [self._monitor_record.attributes(i)[attr_name] for i in chosen]
        read = getattr(self.envs, "get_attr", None) or getattr(self.envs.unwrapped, "get_attr", None)
        if read is None:  # a vector without envs of its own, such as Gymnasium's CartPoleVectorEnv
            return [getattr(self.envs, attr_name) for _ in chosen]
        values = read(attr_name)
        return [values[i] for i in chosen]

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Set the attribute of the given envs (default: all) to one value.

        Raises:
            AttributeError: some envs only were chosen, and the others have no such attribute to keep; or a native
                env does not have it as part of its state.
        """
        chosen = set(self._ids(indices))
        write = self._vector_method("set_attr")
        if len(chosen) == self.num_envs:
            write(attr_name, [value] * self.num_envs)
            return
        values = self.get_attr(attr_name)
        write(attr_name, [value if i in chosen else values[i] for i in range(self.num_envs)])

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the given envs (default: all).

        Of a fastvec vector all envs are called, and the state of those that were not chosen is put back.

        Raises:
            AttributeError: the envs have no such method.
            ValueError: some envs only were chosen, of a vector that can only call all of them.
        """
        chosen = self._ids(indices)
        if self.monitor and self._monitor_record.has_method(method_name):
            return [self._monitor_record.call(method_name, i, *method_args, **method_kwargs) for i in chosen]
        if method_name == "render":
            frames = self.envs.render() or [None] * self.num_envs
            return [frames[i] for i in chosen]
        call = self._vector_method("call")
        others = sorted(set(range(self.num_envs)) - set(chosen))
        single_envs = getattr(self.envs.unwrapped, "envs", None)
        if not others:
            results = call(method_name, *method_args, **method_kwargs)
            return [results[i] for i in chosen]
        if single_envs is not None:
            return [single_envs[i].get_wrapper_attr(method_name)(*method_args, **method_kwargs) for i in chosen]
        vector = self.envs.unwrapped
        if not isinstance(vector, fastvec.VectorEnv):
            raise ValueError(f"{type(vector).__name__} can call {method_name!r} of all envs only: leave indices out")
        before = vector.get_state(others)
        try:
            results = call(method_name, *method_args, **method_kwargs)
        finally:
            vector.set_state(before, others)
        return [results[i] for i in chosen]

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: Indices = None) -> list[bool]:
        """Whether each env is inside such a wrapper. With ``monitor=True`` SB3's ``Monitor`` counts as one.

        Native envs are in the wrappers that ``gymnasium.make`` puts around the env of their id. Those of envs in worker
        processes are known by the names of their classes.
        """
        chosen = self._ids(indices)
        if self.monitor and issubclass(Monitor, wrapper_class):
            return [True for _ in chosen]
        vector = self.envs.unwrapped
        single_envs = getattr(vector, "envs", None)
        if single_envs is not None:
            return [is_wrapped(single_envs[i], wrapper_class) for i in chosen]
        if isinstance(vector, NativeVectorEnv | AleVectorEnv):
            wrapped = any(issubclass(known, wrapper_class) for known in _wrappers_of_make(vector.spec))
            return [wrapped for _ in chosen]
        try:
            descriptions = self._vector_method("call")("__str__")
        except AttributeError:  # a vector without envs of its own, such as Gymnasium's CartPoleVectorEnv
            return [False for _ in chosen]
        names = {known.__name__ for known in (wrapper_class, *_subclasses(wrapper_class))}
        # Such as <TimeLimit<OrderEnforcing<CartPoleEnv<CartPole-v1>>>>.
        return [not names.isdisjoint(re.findall(r"<(\w+)(?=<)", descriptions[i])) for i in chosen]

    def get_images(self) -> Sequence[np.ndarray | None]:
        """One picture uint8 ``(height, width, 3)`` per env; None each where ``render_mode`` is not "rgb_array"."""
        if self.render_mode != "rgb_array":
            warnings.warn(f"pictures need render_mode='rgb_array', got {self.render_mode!r}", stacklevel=2)
            return [None for _ in range(self.num_envs)]
        images: Any = self.envs.render()
        return list(images)

    def _ids(self, indices: Indices) -> list[int]:
        ids = [int(i) for i in self._get_indices(indices)]
        return [i + self.num_envs if i < 0 else i for i in ids]

    def _vector_method(self, name: str) -> Any:
        """A method of the vector, also where wrappers hide it."""
        method = getattr(self.envs, name, None) or getattr(self.envs.unwrapped, name, None)
        if method is None:
            raise AttributeError(f"{type(self.envs.unwrapped).__name__} has no {name!r}")
        return method


@dataclass(frozen=True)
class _Recorded:
    """A vector, as its spec and the bytes of its state."""

    spec: EnvSpec
    state: bytes


def _make(env: Any, num_envs: int | None, kwargs: dict[str, Any]) -> gym.vector.VectorEnv:
    """The vector that the arguments of :class:`SB3VecEnv` describe."""
    if not isinstance(env, gym.vector.VectorEnv):
        # Not SameStep where there is a choice (ale-py's vector env has no Disabled): there an episode's last info and
        # the next one's first share arrays, and so a dtype, and FrozenLake's first probability, the int 1, makes an int
        # of all others.
        is_ale = isinstance(env, str) and is_ale_id(env) and kwargs.get("backend") in (None, "ale")
        chosen = AutoresetMode.SAME_STEP if is_ale else AutoresetMode.DISABLED
        count: dict[str, Any] = {} if num_envs is None else {"num_envs": num_envs}
        return fastvec.make_vec(env, autoreset_mode=chosen, **count, **kwargs)
    if kwargs:
        raise TypeError(f"arguments for make_vec beside a vector that is made already: {', '.join(kwargs)}")
    if num_envs is not None and num_envs != env.num_envs:
        raise ValueError(f"expected num_envs to be the vector's {env.num_envs}, got {num_envs}")
    mode = (env.metadata or {}).get("autoreset_mode")
    if mode is None or AutoresetMode(mode) is AutoresetMode.NEXT_STEP:
        raise ValueError(
            "SB3 expects the first observation of the next episode in the step that ends one: expected a vector with "
            f"autoreset_mode='SameStep' (or 'Disabled'), got {mode if mode is None else AutoresetMode(mode).value!r}"
        )
    return env


def _overwrites_its_arrays(envs: gym.vector.VectorEnv) -> bool:
    """Whether the vector was made with ``copy=False``."""
    kwargs = envs.spec.kwargs if envs.spec is not None else {}
    return not (getattr(envs.unwrapped, "copy", True) and kwargs.get("copy", True))


def _wrappers_of_make(spec: EnvSpec | None) -> list[type[gym.Wrapper]]:
    """The wrappers that ``gymnasium.make`` puts around an env of this spec."""
    if spec is None:
        return []
    has_limit = spec.max_episode_steps not in (None, -1)
    every = {PassiveEnvChecker: not spec.disable_env_checker, OrderEnforcing: spec.order_enforce, TimeLimit: has_limit}
    return [wrapper for wrapper, is_used in every.items() if is_used]


def _subclasses(cls: type) -> set[type]:
    found: set[type] = set(cls.__subclasses__())
    return found.union(*(_subclasses(known) for known in found))
