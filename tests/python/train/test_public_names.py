"""What ``fastvec.train`` offers."""

from __future__ import annotations

import pytest

import fastvec.train


@pytest.mark.parametrize("name", fastvec.train.__all__)
def test_a_public_name_is_there_and_explained(name):
    value = getattr(fastvec.train, name)
    assert value.__name__ == name
    assert value.__doc__


def test_another_name_is_refused():
    with pytest.raises(AttributeError, match=r"module 'fastvec\.train' has no attribute 'DQN'"):
        fastvec.train.DQN  # noqa: B018
