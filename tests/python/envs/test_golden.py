"""Trajectories of 1,000 steps against hashes that were computed from Gymnasium (see golden.json)."""

from __future__ import annotations

import json

import pytest

import fastvec
from support.differential import GOLDEN_FILE, GOLDEN_IDS, golden_hash, golden_oracle

HASHES = json.loads(GOLDEN_FILE.read_text())["sha256"]


@pytest.mark.parametrize("env_id", GOLDEN_IDS)
def test_trajectory_has_the_golden_hash(env_id: str) -> None:
    assert golden_hash(fastvec.make_vec(env_id, 8)) == HASHES[env_id]


@pytest.mark.slow
@pytest.mark.parametrize("env_id", GOLDEN_IDS)
def test_gymnasium_still_has_the_golden_hash(env_id: str) -> None:
    assert golden_hash(golden_oracle(env_id)) == HASHES[env_id]
