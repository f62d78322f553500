"""The process backend: a vector of Python envs in worker processes."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import Space
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from fastvec.errors import AsyncStateError, CallTimeoutError, ResetNeededError, StateError
from fastvec.process.parent.actions import ActionWriter
from fastvec.process.parent.batch_assembler import Batches, Slot
from fastvec.process.parent.closing import Patience
from fastvec.process.parent.inline import InlinePool
from fastvec.process.parent.pool import FORGOTTEN, WorkerPool, raise_failures
from fastvec.process.parent.spaces import check_observation_mode, observation_spaces
from fastvec.process.wire.pickling import dumps
from fastvec.process.wire.protocol import MAILBOX_SIZE, Attachment, Command, Failure
from fastvec.process.wire.shared_memory import map_slots
from fastvec.vector import state_format as snapshot
from fastvec.vector.layout import ActionLayout
from fastvec.vector.out import OutArrays
from fastvec.vector.pending import Wait
from fastvec.vector.seeding import seed_list
from fastvec.vector.vector_env import (
    OneCaller,
    StepReturn,
    VectorEnv,
    as_env_ids,
    checked_batch_size,
    split_reset_mask,
    values_per_env,
)

__all__ = ["ProcessVectorEnv"]

_FAILED = Patience(to_close=5.0)  # for the envs of a vector that could not be made


class ProcessVectorEnv(VectorEnv, gymnasium.vector.VectorEnv):  # named again: skrl looks at direct bases alone
    """Any Gymnasium envs, many to a worker process; the numbers are ``SyncVectorEnv``'s.

    The arrays lie in memory that the workers write to, and are yours as :class:`fastvec.VectorEnv` says.

    Args:
        env_fns: one callable per env, as ``gymnasium.vector.AsyncVectorEnv`` takes them.
        num_workers: worker processes, with an equal share of neighbouring envs each. Envs that wait (for a network, a
            simulator) gain from more than there are cores. 0: the envs step in the calling process.
        context: start method of ``multiprocessing`` (``"fork"``, ``"spawn"``, ``"forkserver"``); None for its default.
        autoreset_mode: when finished envs are reset.
        copy: as for :func:`fastvec.make_vec`.
        batch_size: envs per ``recv``; None for all.
        observation_mode: ``"same"``, ``"different"`` (spaces that differ in their bounds) or a tuple of spaces, batched
            first, as in ``SyncVectorEnv``.
        restart_workers: replace a worker that is lost. Its envs report ``truncated`` with the reason in
            ``infos["worker_error"]`` and go on with unseeded generators.
        threads_per_worker: threads that OpenMP, BLAS and torch may use in each worker; None leaves them alone.

    Attributes:
        num_workers: number of worker processes; 0: the envs are in the calling process.

    Raises:
        fastvec.EnvError: an env cannot be made.
        RuntimeError: the spaces of the envs cannot be batched.
        TypeError: a callable cannot be sent to a worker; the message says what to do.
    """

    def __init__(
        self,
        env_fns: Sequence[Callable[[], gymnasium.Env]],
        *,
        num_workers: int,
        context: str | None = None,
        autoreset_mode: AutoresetMode = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        batch_size: int | None = None,
        observation_mode: str | tuple[Space, Space] = "same",
        restart_workers: bool = False,
        threads_per_worker: int | None = 1,
    ) -> None:
        check_observation_mode(observation_mode)
        self.num_envs = len(env_fns)
        self.num_workers = num_workers
        self.batch_size = self.num_envs if batch_size is None else batch_size
        self.autoreset_mode = autoreset_mode
        self.observation_mode = observation_mode
        self.copy = copy
        self._caller = OneCaller(self._home)
        self._pool: WorkerPool | InlinePool
        if num_workers == 0:
            self._pool = InlinePool(env_fns)
        else:
            self._pool = WorkerPool(
                env_fns, num_workers, context=context, threads=threads_per_worker, restart=restart_workers
            )
        try:
            self._set_spaces(self._pool.descriptions())
            self._share_memory()
        except BaseException as error:
            self._pool.close(_FAILED, terminate=not isinstance(error, Exception), quietly=True)
            raise

        self._has_observation = np.zeros(self.num_envs, dtype=np.bool_)
        self._finished = np.zeros(self.num_envs, dtype=np.bool_)  # with autoreset disabled
        self._flying = np.zeros(self.num_envs, dtype=np.bool_)
        self._num_flying = 0
        self._all_reset = False
        self._arrived: deque[tuple[int, Any]] = deque()  # in asynchronous use: env, message
        self._posted = _Posted(_nothing, _answers)  # the pending call
        self._abandoned: Callable[[], None] | None = None  # what to do once a call that was given up has ended

    def _set_spaces(self, descriptions: list[dict[str, Any]]) -> None:
        first = descriptions[0]
        self.metadata = {**first["metadata"], "autoreset_mode": self.autoreset_mode}
        self.render_mode = first["render_mode"]
        self.single_action_space = first["action_space"]
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        singles = [space for description in descriptions for space in description["observation_spaces"]]
        self.observation_space, self.single_observation_space = observation_spaces(self.observation_mode, singles)

    def _share_memory(self) -> None:
        pool = self._pool
        self._batches = Batches(self.single_observation_space, pool.shares, copy=self.copy)
        slot_size = self._batches.slot_size
        actions = ActionLayout(self.single_action_space, self.num_envs)
        mail_offset = _pages(pool.board_size)
        actions_offset = mail_offset + self.num_workers * MAILBOX_SIZE
        slots_offset = actions_offset + actions.size
        memory, slots = map_slots(pool.file, slots_offset, slot_size, reuse_one=not self.copy)
        attachment = Attachment(
            observation_mode=self.observation_mode if isinstance(self.observation_mode, str) else "custom",
            single_observation_space=self.single_observation_space,
            single_action_space=self.single_action_space,
            action_space=self.action_space,
            autoreset_mode=self.autoreset_mode,
            num_envs=self.num_envs,
            mail_offset=mail_offset,
            actions_offset=actions_offset,
            slots_offset=slots_offset,
            memory_size=slots_offset + slots * slot_size,
        )
        pool.attach(attachment, memory)
        self._batches.use(memory, slots_offset, slots)
        self._at_once: InlinePool | None = None  # what steps small batches with nothing in between
        if isinstance(pool, InlinePool) and pool.steps_arrays and self.copy and self._batches.is_small:
            self._at_once = pool
        self._actions = ActionWriter(
            actions,
            memory.block(actions_offset, actions.size),
            self.action_space,
            lambda number, dtypes: pool.announce("format", number, dtypes),
        )

    # -- stepping -------------------------------------------------------------------------------------------

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
        out: Any = None,
        timeout: float | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """As :meth:`fastvec.VectorEnv.reset`; TimeoutError if it takes longer than ``timeout`` seconds."""
        with self._call("reset", timeout):
            return self._complete(self._post_reset(seed, options, out), timeout)

    def _post_reset(self, seed: Any, options: Any, out: Any) -> _Posted:
        seeds = seed_list(seed, self.num_envs)
        mask, rest = split_reset_mask(options, self.num_envs)
        given = self._batches.out_arrays(out)
        slot = self._batches.begin()
        for worker, share in enumerate(self._pool.shares):
            part = slice(share.start, share.stop)
            chosen = [None] * len(share) if seeds is None else list(seeds[part])
            self._pool.message(worker, "reset", slot.index, chosen, rest, None if mask is None else mask[part])
        selected = slice(None) if mask is None else mask.copy()

        def finish() -> None:
            self._finished[selected] = False
            self._has_observation[selected] = True
            self._all_reset = self._all_reset or bool(self._has_observation.all())

        def result(messages: list[Any]) -> Any:
            failures, infos = self._batches.read(messages)
            observations = self._batches.observations(slot, given, fresh=mask is None)
            if failures:
                self._finish_failed(failures)
                raise_failures(failures, (observations, infos))
            return observations, infos

        return _Posted(finish, result)

    def step(self, actions: Any, *, out: Any = None, timeout: float | None = None) -> StepReturn:
        """As :meth:`fastvec.VectorEnv.step`.

        Args:
            timeout: seconds to wait at most.

        Raises:
            TimeoutError: envs took longer. The call after it waits for them first, with its own timeout, and
                what they did is lost.
            fastvec.errors.WorkerError: a worker was killed or exited.
        """
        if self._at_once is not None and out is None and timeout is None:
            with self._caller:  # the rest of _call is of no use here, and takes time that cheap envs notice
                self._enter("step", None, False, False)
                if self._actions.are_one_array(actions, self.num_envs):
                    return self._step_at_once(self._at_once, actions)
        with self._call("step", timeout):
            return self._complete(self._post_step(actions, out), timeout)

    def _step_at_once(self, pool: InlinePool, actions: np.ndarray) -> StepReturn:
        self._require_steppable()
        slot = self._batches.begin_small()
        message = pool.step_at_once(slot.arrays, actions.copy())
        self._note_finished(slot)
        if message is None and len(slot.arrays) == 4 and self._batches.is_one_array:
            observations, rewards, terminations, truncations = slot.arrays
            return observations, rewards, terminations, truncations, {}
        return self._stepped(slot, None, [message])

    def _require_steppable(self) -> None:
        if not self._all_reset:
            raise ResetNeededError("step: expected envs that were reset; call reset() first")
        if self.autoreset_mode is AutoresetMode.DISABLED and self._finished.any():
            raise ResetNeededError(
                f"step: expected unfinished envs, got {np.flatnonzero(self._finished).tolist()} finished; reset "
                f"them with options={{'reset_mask': mask}}"
            )

    def _post_step(self, actions: Any, out: Any) -> _Posted:
        self._require_steppable()
        given = self._batches.out_arrays(out)
        action_format = self._actions.write(actions, self.num_envs)
        slot = self._batches.begin()
        if isinstance(action_format, int):
            self._pool.post_all(Command.STEP, slot.index, action_format)
        else:
            for worker, share in enumerate(self._pool.shares):
                self._pool.message(worker, "step", slot.index, action_format[share.start : share.stop])
        return _Posted(
            lambda: self._note_finished(slot),
            lambda messages: self._stepped(slot, given, messages),
        )

    def _note_finished(self, slot: Slot) -> None:
        if self.autoreset_mode is AutoresetMode.DISABLED:
            np.logical_or(slot.arrays[-2], slot.arrays[-1], out=self._finished)

    def _stepped(self, slot: Slot, given: OutArrays | None, messages: list[Any]) -> StepReturn:
        """What a step returns."""
        failures, infos = self._batches.read(messages) if any(messages) else ((), {})
        observations = self._batches.observations(slot, given)
        rewards, terminations, truncations = self._batches.rest(slot, given)
        batch = (observations, rewards, terminations, truncations, infos)
        if failures:
            raise_failures(failures, batch)
        return batch

    def _complete(self, posted: _Posted, timeout: float | None) -> Any:
        """What the call returns, once all workers have answered."""
        count = len(self._pool.shares)
        self._abandoned = posted.finish
        if not self._pool.wait(count, timeout):
            raise CallTimeoutError(f"{self._pool.describe_unanswered()} did not answer within {timeout} seconds")
        self._abandoned = None
        messages: list[Any] = [None] * count
        for worker, _, message in self._pool.take(count):
            messages[worker] = message
        posted.finish()
        return posted.result(messages)

    # -- calls in two halves --------------------------------------------------------------------------------

    def _begin_reset(self, seed: Any, options: Any, out: Any) -> Wait:
        return self._begin_with("reset", lambda: self._post_reset(seed, options, out))

    def _begin_step(self, actions: Any, out: Any) -> Wait:
        return self._begin_with("step", lambda: self._post_step(actions, out))

    def _begin_call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Wait:
        return self._begin_with("call", lambda: self._post_question("call", lambda share: (name, args, kwargs)))

    def _begin_with(self, what: str, post: Callable[[], _Posted]) -> Wait:
        with self._call(f"{what}_async", None):
            posted = post()
            self._abandoned = posted.finish  # until all has gone: Ctrl-C may come
            self._pool.flush()
            self._abandoned = None
            self._posted = posted

        def wait(timeout: float | None) -> Any:
            with self._call(f"{what}_wait", timeout, waiting=True):
                return self._complete(posted, timeout)

        return wait

    def _drop(self) -> None:
        if self._pool.unanswered or self._pool.answered:
            self._abandoned = self._posted.finish

    # -- asynchronous use -----------------------------------------------------------------------------------

    def async_reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> None:
        with self._call("async_reset", None, flying=True):
            seeds = seed_list(seed, self.num_envs)
            mask, rest = split_reset_mask(options, self.num_envs)
            envs = np.arange(self.num_envs) if mask is None else np.flatnonzero(mask)
            self._require_idle("async_reset", envs)
            self._set_flying(envs, True)
            self._finished[envs] = False
            self._has_observation[envs] = True
            for worker, share in enumerate(self._pool.shares):
                for env in envs[(envs >= share.start) & (envs < share.stop)].tolist():
                    row = env - share.start
                    one = None if seeds is None else seeds[env]
                    self._pool.message(worker, "reset_one", row, one, rest, row=row)
            self._pool.flush()

    def send(self, actions: Any, env_ids: Any) -> None:
        with self._call("send", None, flying=True):
            envs = self._checked_ids(env_ids, "send")
            self._require_idle("send", envs)
            if not self._has_observation[envs].all():
                raise ResetNeededError("send: expected envs that were reset; call async_reset() first")
            if self._finished[envs].any():
                finished = envs[self._finished[envs]].tolist()
                raise ResetNeededError(f"send: expected unfinished envs, got {finished} finished; reset them first")
            action_format = self._actions.write(actions, len(envs), envs)
            self._set_flying(envs, True)
            workers = np.searchsorted([share.stop for share in self._pool.shares], envs, side="right")
            for i, (env, worker) in enumerate(zip(envs.tolist(), workers.tolist(), strict=True)):
                row = env - self._pool.shares[worker].start
                if isinstance(action_format, int):
                    self._pool.post(worker, Command.STEP_ONE, row, action_format)
                else:
                    self._pool.message(worker, "step_one", row, action_format[i], row=row)
            self._pool.flush()

    def recv(self, timeout: float | None = None, *, batch_size: int | None = None) -> StepReturn:
        with self._call("recv", timeout, flying=True):
            count = checked_batch_size(batch_size, self)
            if self.num_in_flight < count:
                raise AsyncStateError(
                    f"recv: expected at least batch_size={count} envs in flight, got {self.num_in_flight}"
                )
            missing = count - len(self._arrived)
            if missing > 0 and not self._pool.wait(missing, timeout):
                ready = len(self._arrived) + self._pool.answered
                raise CallTimeoutError(f"recv: {ready} of {count} envs finished within {timeout} seconds")
            self._arrived.extend((env, message) for _, env, message in self._pool.take(max(missing, 0)))
            batch, failures = self._receive([self._arrived.popleft() for _ in range(count)])
        if failures:
            raise_failures(failures, batch)
        return batch

    @property
    def num_in_flight(self) -> int:
        return self._num_flying

    def _set_flying(self, envs: Any, value: bool) -> None:
        self._flying[envs] = value
        self._num_flying = int(np.count_nonzero(self._flying))

    def _receive(self, arrived: list[tuple[int, Any]]) -> tuple[StepReturn, list[Failure]]:
        batch, failures = self._batches.gather(arrived)
        _, _, terminations, truncations, infos = batch
        envs = infos["env_id"]
        self._set_flying(envs, False)
        if self.autoreset_mode is AutoresetMode.DISABLED:
            self._finished[envs] = terminations | truncations
        self._all_reset = self._all_reset or bool(self._has_observation.all())
        return batch, failures

    def _require_idle(self, what: str, envs: np.ndarray) -> None:
        busy = envs[self._flying[envs]]
        if busy.size:
            raise AsyncStateError(f"{what}: expected idle envs, got {busy.tolist()} in flight; recv() them first")

    # -- attributes of the envs -----------------------------------------------------------------------------

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

    def _post_question(self, name: str, arguments: Callable[[range], tuple[Any, ...]]) -> _Posted:
        for worker, share in enumerate(self._pool.shares):
            self._pool.message(worker, name, *arguments(share))
        return _Posted(_nothing, _answers)

    # -- snapshots ------------------------------------------------------------------------------------------

    def get_state(self, env_ids: Any = None) -> bytes:
        """As :meth:`fastvec.VectorEnv.get_state`: each env is pickled, with its wrappers and generator.

        Raises:
            NotImplementedError: an env cannot be pickled (Box2D's, for instance).
        """
        envs = np.arange(self.num_envs) if env_ids is None else self._checked_ids(env_ids, "get_state")
        states = dict(zip(self._by_worker(envs), self._ask("save", lambda share: (_rows(envs, share),)), strict=True))
        flags = self._finished[envs], self._has_observation[envs]
        return snapshot.pack(dumps(([states[env] for env in envs.tolist()], *flags)), self._fingerprint(), len(envs))

    def set_state(self, state: bytes, env_ids: Any = None) -> None:
        envs = np.arange(self.num_envs) if env_ids is None else self._checked_ids(env_ids, "set_state")
        payload, _ = snapshot.unpack(state, self._fingerprint(), len(envs))
        try:
            loaded, finished, has_observation = pickle.loads(payload)
        except Exception as error:
            raise StateError(f"the state cannot be read here: {type(error).__name__}: {error}") from error
        places = {env: i for i, env in enumerate(envs.tolist())}

        def arguments(share: range) -> tuple[Any, ...]:
            rows = _rows(envs, share)
            return rows, [loaded[places[share.start + row]] for row in rows]

        self._ask("load", arguments)
        self._finished[envs], self._has_observation[envs] = finished, has_observation
        self._all_reset = bool(self._has_observation.all())

    def _by_worker(self, envs: np.ndarray) -> list[int]:
        return [share.start + row for share in self._pool.shares for row in _rows(envs, share)]

    def _checked_ids(self, env_ids: Any, what: str) -> np.ndarray:
        envs = as_env_ids(env_ids)
        if envs.size and (envs.min() < 0 or envs.max() >= self.num_envs):
            raise ValueError(f"{what}: expected env ids from 0 to {self.num_envs - 1}, got {envs.tolist()}")
        if len(np.unique(envs)) != len(envs):
            raise ValueError(f"{what}: expected each env id once, got {envs.tolist()}")
        return envs

    def _fingerprint(self) -> dict[str, Any]:
        name = None if self.spec is None else self.spec.id
        return {"env_id": name, "observation_space": str(self.single_observation_space), "backend": "process"}

    # -- the rest -------------------------------------------------------------------------------------------

    def close_extras(self, *, timeout: float | None = None, terminate: bool = False) -> None:
        """Close the envs and end the workers; arrays that were returned stay valid.

        A worker that has to be killed is named in a RuntimeWarning. Ctrl-C while it waits kills those that are left.

        Args:
            timeout: seconds that the workers have, before they are killed. None: as many as the envs need to close;
                but where a call timed out before, and hangs still, as long as that call had, and 2 at least.
            terminate: kill them at once; the envs are not closed.

        Raises:
            fastvec.EnvError: an env raised an error when it was closed; all others were closed nevertheless.
        """
        try:
            if hasattr(self, "_pool"):
                self._pool.close(None if timeout is None else Patience(to_close=timeout), terminate=terminate)
        finally:
            self.closed = True

    def __del__(self) -> None:
        if not self.closed and hasattr(self, "_pool"):
            self.closed = True
            self._pool.close(FORGOTTEN)

    def _call(self, what: str, timeout: float | None, *, flying: bool = False, waiting: bool = False) -> _Call:
        """One call under way: the vector is open, nobody else is inside, and nothing old is unanswered.

        Args:
            flying: envs may be in flight.
            waiting: it is what waits for the pending call.
        """
        return _Call(self, what, timeout, flying, waiting)

    def _enter(self, what: str, timeout: float | None, flying: bool, waiting: bool) -> None:
        if waiting:
            self._require_open()
        else:
            self._require_ready(what)
        self._pool.require_alive()
        if self._pool.is_spoiled:
            self._forget_episodes()
            if waiting:
                raise ResetNeededError(f"{what}: the call was broken off in the middle; call reset() first")
        if self._abandoned is not None and not waiting:
            self._settle(what, timeout)
        if not flying and self._num_flying:
            raise AsyncStateError(f"{what}: expected no env in flight, got {self._num_flying}; recv() them first")

    def _settle(self, what: str, timeout: float | None) -> None:
        """Wait for a call that was given up (it timed out, or Ctrl-C came) and drop what it returns."""
        count = self._pool.unanswered + self._pool.answered
        if not self._pool.wait(count, timeout):
            raise CallTimeoutError(
                f"{what}: {self._pool.describe_unanswered()} did not finish the call before within {timeout} seconds"
            )
        self._pool.take(count)
        assert self._abandoned is not None
        self._abandoned()
        self._abandoned = None

    def _forget_episodes(self) -> None:
        """After a call that was broken off in the middle: nobody knows how far the envs came, so all need a reset."""
        self._pool.is_spoiled = False
        self._abandoned = None
        self._arrived.clear()
        self._set_flying(slice(None), False)
        self._finished[:] = False
        self._has_observation[:] = False
        self._all_reset = False

    def _finish_failed(self, failures: list[Failure]) -> None:
        if self.autoreset_mode is AutoresetMode.DISABLED:
            self._finished[[failure.env for failure in failures]] = True


@dataclass(frozen=True, eq=False)
class _Posted:
    """A call that was handed to all workers.

    Attributes:
        finish: what to note once it is done, also when nobody wants its result.
        result: from the workers' messages to what the call returns, or raises.
    """

    finish: Callable[[], None]
    result: Callable[[list[Any]], Any]


class _Call:
    """The ``with`` block of a call; as a generator it would take several times as long."""

    __slots__ = ("_arguments", "_vector")

    def __init__(self, vector: ProcessVectorEnv, *arguments: Any) -> None:
        self._vector = vector
        self._arguments = arguments

    def __enter__(self) -> None:
        vector = self._vector
        vector._pool.interrupts.__enter__()
        try:
            vector._caller.__enter__()
            try:
                vector._enter(*self._arguments)
            except BaseException:
                vector._caller.__exit__()
                raise
        except BaseException:
            vector._pool.interrupts.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        self._vector._caller.__exit__()
        self._vector._pool.interrupts.__exit__()


def _nothing() -> None:
    pass


def _answers(messages: list[Any]) -> tuple[Any, ...]:
    """What the envs have answered to a question, one each."""
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


def _pages(size: int) -> int:
    return (size + 4095) // 4096 * 4096
