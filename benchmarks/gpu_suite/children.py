"""Processes with a time limit. Nothing that one of them does, not even hanging, costs more than that limit."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAST_WORDS = 3.0
"""Seconds that a process gets to say where it hangs, before it is killed."""


@dataclass(frozen=True)
class Outcome:
    """How a process ended."""

    returncode: int
    timed_out: bool
    seconds: float
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether it ended by itself and well."""
        return self.returncode == 0 and not self.timed_out

    @property
    def result(self) -> dict[str, Any] | None:
        """The JSON of the last whole line that begins with "RESULT "."""
        for line in reversed(self.stdout.splitlines()):
            if line.startswith("RESULT "):
                with contextlib.suppress(json.JSONDecodeError):
                    return dict(json.loads(line.removeprefix("RESULT ")))
        return None

    def tail(self, lines: int = 30) -> list[str]:
        """The last lines of stderr, or of stdout where there is no stderr."""
        text = self.stderr if self.stderr.strip() else self.stdout
        return [line[:400] for line in text.rstrip().splitlines()[-lines:]]


class Child:
    """A process in a group of its own, so that what it starts ends with it. Its output goes to files in ``folder``: a
    pipe would have to be read meanwhile, and be waited for as long as any descendant holds it."""

    def __init__(
        self, command: Sequence[str], *, name: str, folder: Path, env: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        self.files = [folder / f"{name}.{stream}" for stream in ("out", "err")]
        with self.files[0].open("wb") as out, self.files[1].open("wb") as err:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                env=dict(env),
                cwd=cwd,
                preexec_fn=os.setpgrp,  # in the same session, so that who ends that ends this too
            )
        self.begun = time.monotonic()

    def go(self) -> None:
        """Let it begin: it waits for a line."""
        self.begun = time.monotonic()
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # it has failed already, and finish() says so
            self.process.stdin.write(b"go\n")
            self.process.stdin.flush()

    def finish(self, limit: float) -> Outcome:
        """Wait for the end, ``limit`` seconds from the beginning at most.

        A process that is still there is sent SIGABRT, to which Python answers with the stack of every thread where
        faulthandler is on, and is then killed, with its group.
        """
        timed_out = False
        try:
            self.process.wait(max(0.0, self.begun + limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            timed_out = True
            self.process.send_signal(signal.SIGABRT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(LAST_WORDS)
        finally:
            seconds = time.monotonic() - self.begun
            self.kill()
        out, err = (path.read_text(errors="replace") for path in self.files)
        code = self.process.returncode
        return Outcome(-9 if code is None else code, timed_out, seconds, out, err)

    def kill(self) -> None:
        """End it and what it has started, if anything is left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in the driver: leave it
            self.process.wait(10)
