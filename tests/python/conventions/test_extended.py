"""The list of what the first run leaves out names tests that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.extended import EXTENDED, is_extended

TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize("entry", EXTENDED)
def test_every_entry_names_something(entry):
    path, _, name = entry.partition("::")
    assert (TESTS / path).exists()
    if name:
        assert f"def {name}(" in (TESTS / path).read_text()


def test_an_entry_is_a_folder_a_file_or_a_test():
    assert is_extended("sdk/test_rng.py", "test_anything")
    assert is_extended("process/test_make.py", "test_anything")
    assert is_extended("vector/test_arrays.py", "test_what_is_held_of_a_batch_is_never_overwritten")
    assert not is_extended("vector/test_arrays.py", "test_anything")
    assert not is_extended("process/test_arrays.py", "test_anything")
