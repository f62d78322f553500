"""Scripts without ``if __name__ == "__main__":``, where the start method needs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import fastvec

print("imported", flush=True)
envs = fastvec.make_vec("CartPole-v1", 4, backend="process", num_workers=2, context="{context}")
"""

# Python 3.14's server of "forkserver" imports the main script, as this one imports a module.
PRELOADED = """
import multiprocessing
process = multiprocessing.current_process()
process._inheriting = True
import fastvec
fastvec.make_vec("CartPole-v1", 2, backend="process", num_workers=1, context="forkserver")
"""
PRELOADING = """
import multiprocessing
import fastvec

if __name__ == "__main__":
    multiprocessing.set_forkserver_preload(["preloaded"])
    envs = fastvec.make_vec("CartPole-v1", 2, backend="process", num_workers=1, context="forkserver")
"""

FOREIGN = """
import multiprocessing
import fastvec

envs = fastvec.make_vec("CartPole-v1", 2, backend="process", num_workers=1, context="fork")
envs.close()
process = multiprocessing.get_context("spawn").Process(target=print)
process.start()
"""

OTHER_FAULT = """
import multiprocessing
import fastvec

multiprocessing.set_start_method("spawn")  # a RuntimeError when it is done again
envs = fastvec.make_vec("CartPole-v1", 2, backend="process", num_workers=1)
"""

LINES = ['    if __name__ == "__main__":', "        envs = fastvec.make_vec(...)", "        ..."]


def errors_of(source, folder):
    script = folder / "script.py"
    script.write_text(source)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    return done.stderr


def assert_shows_the_lines(message):
    assert "\n".join(LINES) in message


@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_missing_guard_is_named_by_the_exception_alone(context, tmp_path):
    errors = errors_of(SCRIPT.format(context=context), tmp_path)
    assert errors.count("Traceback") == 1
    message = errors.rpartition("fastvec.errors.WorkerError: ")[2]
    assert "worker 0 (envs 0 to 1)" in message or "worker 1 (envs 2 to 3)" in message
    assert "the script has no guard" in message
    assert_shows_the_lines(message)


def test_missing_guard_found_by_the_server_that_starts_workers_is_named(tmp_path, monkeypatch):
    (tmp_path / "preloaded.py").write_text(PRELOADED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    errors = errors_of(PRELOADING, tmp_path)
    assert errors.count("Traceback") == 1
    assert_shows_the_lines(errors.rpartition("fastvec.errors.WorkerError: ")[2])


def test_process_of_somebody_else_that_imports_an_unguarded_script_says_so(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(FOREIGN)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert_shows_the_lines(done.stderr.rpartition("RuntimeError: ")[2])


def test_script_that_fails_in_the_worker_for_another_reason_keeps_its_traceback(tmp_path):
    errors = errors_of(OTHER_FAULT, tmp_path)
    assert "context has already been set" in errors
    message = errors.rpartition("fastvec.errors.WorkerError: ")[2]
    assert "exited with status 1 before it could make its envs" in message
    assert_shows_the_lines(message)
