"""The conformance check finds every planted fault, and finds none where there is none."""

from __future__ import annotations

import json

import pytest

import fastvec
import fastvec.testing
from fastvec.cli import main

# env: (the check that finds it, what its message says)
FAULTS = {
    "NanObservation": ("observations", "observation of env 0 at step 7 has nan at index 2"),
    "OutOfBounds": ("observations", "at step 6 has 1200.0 at index 1, outside the space: expected -1000.0 to 1000.0"),
    "InfiniteReward": ("rewards", "the reward of env 0 at step 9 is inf"),
    "ThrowsAtCorner": ("actions", "with the highest corner of the action space, the env raised"),
    "Throws": ("steps", "the fifth step is missing"),
    "GlobalRandom": ("determinism", "the same seed and actions gave different results"),
    "Leftover": ("reset", "a vector that was used before differs from a new one after reset"),
    "Neighbours": ("independence", "other actions of the other envs changed observation of env 0"),
    "Address": ("independence", "in a vector of 8 and alone, an env gave reward"),
    "RestForgotten": ("independence", "of env 0"),
    "PerThread": ("threads", "one thread and four gave different results: reward"),
    "ObserveCounts": ("observe", "observing again gave another result than the last step"),
    "ForgetsMember": ("state", "after set_state"),
    "LoadsMore": ("state", "set_state() refused what get_state() had given"),
    "Pointer": ("state", "after set_state"),
    "BadPicture": ("render", "two pictures of the same state differ"),
    "RenderThrows": ("render", "render() raised: env 0: no paint"),
}
NOTES = {
    "IgnoresSeed": ("seeding", "16 seeds gave the same episodes, and no random number was drawn"),
    "Allocates": ("throughput", "a step allocates: 1 times per env step"),
    "NanInfo": ("infos", "info 'ratio' of env 0 at step 3 is not finite"),
}


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("name", FAULTS)
def test_planted_fault_is_found_and_named(name):
    check, message = FAULTS[name]
    with pytest.raises(fastvec.testing.ConformanceError) as caught:
        fastvec.testing.check_env(f"broken/{name}-v0", throughput=False)
    first = caught.value.report.failures[0]
    assert (first.check, message in first.message) == (check, True), str(first)
    assert message in str(caught.value)
    assert "fix: " in str(caught.value)


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("name", NOTES)
def test_what_may_be_meant_is_noted_only(name):
    check, message = NOTES[name]
    report = fastvec.testing.check_env(f"broken/{name}-v0", throughput=check == "throughput")
    assert [(note.check, message in note.message) for note in report.notes] == [(check, True)]


@pytest.mark.usefixtures("broken")
def test_sound_env_passes_without_a_note():
    report = fastvec.testing.check_env("broken/None-v0")
    assert (report.failures, report.notes, report.skipped) == ((), (), ())
    assert report.checks == tuple(fastvec.testing.CHECKS)
    assert report.steps_per_second > 0
    assert report.allocations_per_step == 0


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "Blackjack-v1"])
def test_built_in_env_conforms(env_id):
    fastvec.testing.check_env(env_id, throughput=False)


def test_env_that_cannot_be_made_is_the_callers_error():
    with pytest.raises(fastvec.errors.UnknownEnvError, match="CartPole-v1"):
        fastvec.testing.check_env("CartPole-v9")
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        fastvec.testing.check_env("CartPole-v1", gravity=1.0)
    with pytest.raises(ValueError, match="expected num_envs >= 2"):
        fastvec.testing.check_env("CartPole-v1", num_envs=1)


def test_command_says_what_is_wrong_and_how_to_fix_it(broken, capsys):
    assert main(["check", "broken/Leftover-v0", "--plugin", str(broken), "--no-throughput"]) == 1
    printed = capsys.readouterr().out
    assert "FAIL  reset" in printed
    assert "fix: reset() has to set every member that a later call reads" in printed
    assert "broken/Leftover-v0 fails 1 of" in printed


def test_command_passes_env_kwargs_and_ends_with_json(capsys):
    words = ["check", "FrozenLake-v1", "--env-kwargs", "is_slippery=False", "map_name=8x8", "--json", "--no-throughput"]
    assert main(words) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["failures"] == []
    assert any("16 seeds gave the same episodes" in note["message"] for note in report["notes"])


@pytest.mark.parametrize(
    "words", [["CartPole-v9"], ["CartPole-v1", "--env-kwargs", "x"], ["CartPole-v1", "--plugin", "/none.so"]]
)
def test_command_returns_2_for_what_cannot_be_checked(words, capsys):
    assert main(["check", *words]) == 2
    assert "fastvec check: " in capsys.readouterr().err
