"""A script that starts workers without the guard that the start methods "spawn" and "forkserver" need."""

from __future__ import annotations

import multiprocessing
import os

__all__ = ["GUARD", "NO_GUARD_STATUS", "WORKER_NAME", "refuse_in_an_import_of_main"]

WORKER_NAME = "fastvec-worker-"  # with the worker's index: the name of its process
NO_GUARD_STATUS = 92  # exit status of a worker that came to make workers of its own

GUARD = """\
Each process that "spawn" or "forkserver" starts imports the script first. Put what is to run only once behind a guard:

    if __name__ == "__main__":
        envs = fastvec.make_vec(...)
        ...  # and all that follows
"""


def refuse_in_an_import_of_main() -> None:
    """End quietly, or raise, in a process that is only importing the main script, to be of use to its parent.

    The parent of one of our workers says what is the matter, once, instead of every worker with a traceback.

    Raises:
        RuntimeError: it is somebody else's process.
        SystemExit: it is the server of "forkserver", whose end the parent notices.
    """
    process = multiprocessing.current_process()
    if not getattr(process, "_inheriting", False):
        return
    if process.name.startswith(WORKER_NAME):
        os._exit(NO_GUARD_STATUS)
    message = f"a process that is being started came to fastvec.make_vec. {GUARD}"
    if process.name == "MainProcess":
        raise SystemExit(message)
    raise RuntimeError(message)
