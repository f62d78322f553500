"""The process backend: a vector of Python envs in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import Space
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from fastvec.errors import AsyncStateError, CallTimeoutError
from fastvec.process.calls import PostedCall
from fastvec.process.inline import InlinePool
from fastvec.process.parent.actions import ActionWriter
from fastvec.process.parent.batch_assembler import BatchAssembler, BatchBuffer
from fastvec.process.parent.closing import Patience
from fastvec.process.parent.failures import raise_failures
from fastvec.process.parent.outstanding import ALL_ENVS
from fastvec.process.parent.pool import WorkerPool
from fastvec.process.parent.spaces import check_observation_mode, observation_spaces
from fastvec.process.questions import EnvQuestions
from fastvec.process.wire.protocol import Attachment, Command
from fastvec.process.wire.reply_transport import MAILBOX_SIZE
from fastvec.process.wire.shared_memory import map_buffers
from fastvec.vector.arguments import checked_batch_size, checked_env_ids, split_reset_mask
from fastvec.vector.layout import ActionLayout
from fastvec.vector.out import OutArrays
from fastvec.vector.pending import Wait
from fastvec.vector.seeding import seed_list
from fastvec.vector.vector_env import StepReturn

__all__ = ["ProcessVectorEnv"]

_PATIENCE_IF_NOT_MADE = Patience(to_close=5.0)  # for the envs of a vector that could not be made


class ProcessVectorEnv(EnvQuestions, gymnasium.vector.VectorEnv):  # named again: skrl looks at direct bases alone
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
        observation_mode: str | tuple[Space[Any], Space[Any]] = "same",
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
        if num_workers == 0:
            self._use_pool(InlinePool(env_fns))
        else:
            options: Any = {"context": context, "threads": threads_per_worker, "restart": restart_workers}
            self._use_pool(WorkerPool(env_fns, num_workers, **options))
        try:
            self._set_spaces(self._pool.descriptions())
            self._share_memory()
        except BaseException as error:
            self._pool.close(_PATIENCE_IF_NOT_MADE, terminate=not isinstance(error, Exception), quietly=True)
            raise

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
        self._assembler = BatchAssembler(self.single_observation_space, pool.shares, copy=self.copy)
        buffer_size = self._assembler.buffer_size
        actions = ActionLayout(self.single_action_space, self.num_envs)
        mail_offset = _pages(pool.queues_size)
        actions_offset = mail_offset + self.num_workers * MAILBOX_SIZE
        buffers_offset = actions_offset + actions.size
        memory, buffers = map_buffers(pool.file, buffers_offset, buffer_size, reuse_one=not self.copy)
        attachment = Attachment(
            observation_mode=self.observation_mode if isinstance(self.observation_mode, str) else "custom",
            single_observation_space=self.single_observation_space,
            single_action_space=self.single_action_space,
            action_space=self.action_space,
            autoreset_mode=self.autoreset_mode,
            num_envs=self.num_envs,
            mail_offset=mail_offset,
            actions_offset=actions_offset,
            buffers_offset=buffers_offset,
            memory_size=buffers_offset + buffers * buffer_size,
        )
        pool.attach(attachment, memory)
        self._assembler.use(memory, buffers_offset, buffers)
        self._at_once: InlinePool | None = None  # what steps small batches with nothing in between
        if isinstance(pool, InlinePool) and pool.steps_arrays and self.copy and self._assembler.is_small:
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

    def _post_reset(self, seed: Any, options: Any, out: Any) -> PostedCall:
        seeds = seed_list(seed, self.num_envs)
        mask, rest = split_reset_mask(options, self.num_envs)
        given = self._assembler.out_arrays(out)
        buffer = self._assembler.begin()
        contents = []
        for worker, share in enumerate(self._pool.shares):
            part = slice(share.start, share.stop)
            chosen = [None] * len(share) if seeds is None else list(seeds[part])
            arguments = buffer.index, chosen, rest, None if mask is None else mask[part]
            contents.append((worker, ALL_ENVS, arguments))
        self._pool.post_messages("reset", contents)
        selected = slice(None) if mask is None else mask.copy()

        def finish() -> None:
            self._episodes.note_reset(selected)
            self._episodes.note_all_reset()

        def result(messages: list[Any]) -> Any:
            failures, infos = self._assembler.read(messages)
            observations = self._assembler.observations(buffer, given, fresh=mask is None)
            if failures:
                self._episodes.note_failed_reset([failure.env for failure in failures])
                raise_failures(failures, (observations, infos))
            return observations, infos

        return PostedCall(finish, result)

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
        self._episodes.require_steppable()
        buffer = self._assembler.begin_small()
        message = pool.step_at_once(buffer.arrays, actions.copy())
        self._episodes.note_step(buffer.arrays[-2], buffer.arrays[-1])
        if message is None and len(buffer.arrays) == 4 and self._assembler.is_one_array:
            observations, rewards, terminations, truncations = buffer.arrays
            return observations, rewards, terminations, truncations, {}
        return self._stepped(buffer, None, [message])

    def _post_step(self, actions: Any, out: Any) -> PostedCall:
        self._episodes.require_steppable()
        given = self._assembler.out_arrays(out)
        action_format = self._actions.write(actions, self.num_envs)
        buffer = self._assembler.begin()
        if isinstance(action_format, int):
            self._pool.post_all(Command.STEP, buffer.index, action_format)
        else:
            parts = [action_format[share.start : share.stop] for share in self._pool.shares]
            contents = [(worker, ALL_ENVS, (buffer.index, part)) for worker, part in enumerate(parts)]
            self._pool.post_messages("step", contents)
        return PostedCall(
            lambda: self._episodes.note_step(buffer.arrays[-2], buffer.arrays[-1]),
            lambda messages: self._stepped(buffer, given, messages),
        )

    def _stepped(self, buffer: BatchBuffer, given: OutArrays | None, messages: list[Any]) -> StepReturn:
        """What a step returns."""
        failures, infos = self._assembler.read(messages) if any(messages) else ((), {})
        observations = self._assembler.observations(buffer, given)
        rewards, terminations, truncations = self._assembler.rest(buffer, given)
        batch = (observations, rewards, terminations, truncations, infos)
        if failures:
            raise_failures(failures, batch)
        return batch

    # -- calls in two halves --------------------------------------------------------------------------------

    def _begin_reset(self, seed: Any, options: Any, out: Any) -> Wait:
        return self._begin_with("reset", lambda: self._post_reset(seed, options, out))

    def _begin_step(self, actions: Any, out: Any) -> Wait:
        return self._begin_with("step", lambda: self._post_step(actions, out))

    # -- asynchronous use -----------------------------------------------------------------------------------

    def async_reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> None:
        """See :meth:`fastvec.VectorEnv.async_reset`."""
        with self._call("async_reset", None, in_flight=True):
            seeds = seed_list(seed, self.num_envs)
            mask, rest = split_reset_mask(options, self.num_envs)
            envs = np.arange(self.num_envs) if mask is None else np.flatnonzero(mask)
            self._require_idle("async_reset", envs)
            contents = [
                (worker, env, (row, None if seeds is None else seeds[env], rest))
                for worker, env, row in self._rows_of(envs)
            ]
            self._pool.post_messages("reset_one", contents)
            self._episodes.note_reset(envs)
            self._pool.flush()

    def send(self, actions: Any, env_ids: Any) -> None:
        """See :meth:`fastvec.VectorEnv.send`."""
        with self._call("send", None, in_flight=True):
            envs = checked_env_ids(env_ids, self.num_envs, "send")
            self._require_idle("send", envs)
            self._episodes.require_sendable(envs)
            action_format = self._actions.write(actions, len(envs), envs)
            rows = self._rows_of(envs)
            if isinstance(action_format, int):
                self._pool.post_envs(Command.STEP_ONE, rows, action_format)
            else:
                one_each = zip(rows, action_format, strict=True)
                self._pool.post_messages(
                    "step_one", [(worker, env, (row, one)) for (worker, env, row), one in one_each]
                )
            self._pool.flush()

    def recv(self, timeout: float | None = None, *, batch_size: int | None = None) -> StepReturn:
        """See :meth:`fastvec.VectorEnv.recv`."""
        with self._call("recv", timeout, in_flight=True):
            count = checked_batch_size(batch_size, self)
            outstanding = self._outstanding
            if outstanding.num_in_flight < count:
                raise AsyncStateError(
                    f"recv: expected at least batch_size={count} envs in flight, got {outstanding.num_in_flight}"
                )
            if not self._pool.wait(count, timeout):
                ready = len(outstanding.answered)
                raise CallTimeoutError(f"recv: {ready} of {count} envs finished within {timeout} seconds")
            batch, failures = self._assembler.gather([(env, message) for _, env, message in outstanding.take(count)])
            _, _, terminations, truncations, infos = batch
            self._episodes.note_steps_of(infos["env_id"], terminations, truncations)
            self._episodes.note_all_reset()
        if failures:
            raise_failures(failures, batch)
        return batch

    @property
    def num_in_flight(self) -> int:
        """See :attr:`fastvec.VectorEnv.num_in_flight`."""
        return self._outstanding.num_in_flight

    def _rows_of(self, envs: np.ndarray) -> list[tuple[int, int, int]]:
        """``(worker, env, row among the worker's envs)`` of each env."""
        shares = self._pool.shares
        workers = np.searchsorted([share.stop for share in shares], envs, side="right").tolist()
        return [(worker, env, env - shares[worker].start) for worker, env in zip(workers, envs.tolist(), strict=True)]

    def _require_idle(self, what: str, envs: np.ndarray) -> None:
        busy = self._outstanding.busy(envs)
        if busy:
            raise AsyncStateError(f"{what}: expected idle envs, got env {busy[0]}, which is in flight: recv() it first")


def _pages(size: int) -> int:
    return (size + 4095) // 4096 * 4096
