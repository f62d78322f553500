"""What a child process is asked to do, and starting one."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import cloudpickle
import gymnasium
from gymnasium.envs.registration import EnvSpec

from fastvec.lookup import find_env
from fastvec.native import registry
from fastvec.plugins import load_plugin
from fastvec.testing.place import Place

__all__ = ["Child", "Question", "Source", "find_source", "preloadable"]


@dataclass(frozen=True)
class Source:
    """The env, in a form that another process understands.

    Attributes:
        env_id: what ``make_vec`` takes.
        library: native: where the env is.
        spec: Python: the entry of Gymnasium's registry.
    """

    env_id: str
    library: str | None = None
    spec: EnvSpec | None = None

    @property
    def backend(self) -> Literal["native", "process"]:
        """The backend that plays it here; ale-py's games are played one by one."""
        return "process" if self.library is None else "native"

    def load(self) -> None:
        """Make the env known to this process."""
        if self.library is not None and registry.find(self.env_id) is None:
            load_plugin(self.library)
        if self.spec is not None:
            gymnasium.registry.setdefault(self.spec.id, self.spec)


def find_source(env_id: str) -> Source:
    """Where the env of an id is.

    Raises:
        fastvec.errors.UnknownEnvError: there is none. TypeError: not an id.
    """
    if not isinstance(env_id, str):
        raise TypeError(f"expected the id of an env, got {type(env_id).__name__}: register it with Gymnasium first")
    found = find_env(env_id)
    if isinstance(found, registry.NativeEnvType):
        return Source(found.id, library=found.library)
    return Source(found.id, spec=found)


@dataclass(frozen=True)
class Question:
    """What to do.

    Attributes:
        task: ``"checks"`` or ``"digests"``, see :mod:`fastvec.testing.child`.
        settings: of the checker.
    """

    task: str
    source: Source
    settings: Mapping[str, Any] = field(default_factory=dict)


def preloadable(name: str) -> Path | None:
    """A library that comes with fastvec for ``LD_PRELOAD``; None where it was not built."""
    path = Path(__file__).parent.parent / "check" / f"{name}.so"
    return path if path.exists() else None


class Child:
    """A process that works on a question.

    Args:
        preload: a library that is put into it before all others.
    """

    def __init__(self, question: Question, *, preload: Path | None = None) -> None:
        environment = dict(os.environ)
        if preload is not None:
            environment["LD_PRELOAD"] = ":".join(filter(None, [os.environ.get("LD_PRELOAD"), str(preload)]))
        page = Place.create()
        ours, theirs = os.pipe()
        asked_from, ask_to = os.pipe()
        code = f"import sys; sys.path[:] = {sys.path!r}; from fastvec.testing.child import main; "
        code += f"main({asked_from}, {theirs}, {page})"
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno() if _has_descriptor(sys.stderr) else subprocess.DEVNULL,
                pass_fds=(asked_from, theirs, page),
                start_new_session=True,  # so that its own workers can be ended with it
            )
        finally:
            os.close(theirs)
            os.close(asked_from)
            self.place = Place(page)
            os.close(page)
            self.answers = Connection(ours, writable=False)
        with (
            contextlib.suppress(BrokenPipeError),
            os.fdopen(ask_to, "wb") as asking,
        ):  # if it died, it will give no answer
            asking.write(cloudpickle.dumps(question))

    def answer(self, seconds: float) -> Any:
        """Its next answer; None if there is none yet.

        Raises:
            EOFError: it has ended.
        """
        if not self.answers.poll(seconds):
            return None
        return pickle.loads(self.answers.recv_bytes())

    def end(self) -> int:
        """End it and everything that it started; its exit status, negative for a signal."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        status = self.process.wait()
        self.answers.close()
        return status


def _has_descriptor(stream: Any) -> bool:
    try:
        stream.fileno()
    except (AttributeError, OSError, ValueError):
        return False
    return True
