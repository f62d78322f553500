"""The tests themselves, as a shell's background job runs them: with SIGINT ignored."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TEST = Path(__file__).parent / "test_faults.py::test_interrupt_reaches_the_caller_and_the_vector_goes_on"


def test_tests_that_signal_pass_where_the_signal_was_ignored():
    ignore = "import signal, sys, pytest; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    ignore += "sys.exit(pytest.main(sys.argv[1:]))"
    command = [sys.executable, "-c", ignore, "-q", "-p", "no:cacheprovider", "-m", "", str(TEST)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
