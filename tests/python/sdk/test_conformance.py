"""The conformance check finds every planted fault, and finds none where there is none."""

from __future__ import annotations

import json

import pytest

import fastvec
import fastvec.testing
from fastvec.cli.main import main

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
# Likewise, for what takes a look of its own.
LATER_FAULTS = {
    "WritesBefore": ("memory", "step() of env 0 wrote before the beginning of its row of observation at step 3"),
    "WritesBehind": ("memory", "reset() of env 0 wrote past the end of its row of observation after reset"),
    "WritesBehindInfo": ("memory", "step() of env 0 wrote past the end of its row of info 'place' at step 1"),
    "OneTooFar": ("memory", "step() of envs 0 to 7, in one call, wrote past the end of their rows of reward at step 1"),
    "WritesToNeighbour": ("memory", "step() of env 0 changed the state of env 1 at step 5"),
    "NotWritten": ("observations", "observe() of env 0 does not write observation at byte 8 after reset"),
    "EmptyMask": ("masks", "info['action_mask'] of env 0 at step 4 allows no action, though the episode goes on"),
    "NarrowMask": ("masks", "info['action_mask'] of env 0 after reset has 2 entries: expected 3, one per action"),
    "Clock": ("another day", "with its clocks set forward by 400 days: observation of env 0 after reset"),
    "ProcessId": ("another day", "in another process, with its clocks set forward by 400 days: reward of env 0"),
    "Scratch": ("threads", "gave different results: reward of env"),
    "ThrowsLate": ("endurance", "of a run without a time limit raised an error: the log is full"),
    "NanLate": ("endurance", "reward of env 0 at step 12,001 of a run without a time limit is not finite"),
    "ForgetsLate": ("resuming", "a vector with the state of step 137 went on differently, later: reward of env"),
}
# Likewise, for what would take the one who looks along.
FATAL_FAULTS = {
    "Crashes": ("memory", "the process died of SIGSEGV (Segmentation fault): step 6 of 8 envs"),
    "Aborts": ("memory", "the process died of SIGABRT (Aborted): step 6 of 8 envs"),
    "Exits": ("memory", "the env ended the whole process, with exit status 0: step 6 of 8 envs"),
    "Hangs": ("memory", "the env did not return within 1 seconds: step 6 of 8 envs"),
    "CrashesLate": ("endurance", "the process died of SIGSEGV (Segmentation fault): step 10,"),
}
NOTES = {
    "Sleeps": ("waiting", "a step sleeps or waits: "),
    "IgnoresSeed": ("seeding", "16 seeds gave the same episodes, and no random number was drawn"),
    "Allocates": ("throughput", "a step allocates: 1 times per env step"),
    "NanInfo": ("infos", "info 'ratio' of env 0 at step 3 is not finite"),
}


SLOW = ("another day", "threads", "engine", "endurance", "resuming", "waiting", "throughput")


def _up_to(check):
    """This check and those before it, without the slow ones among them."""
    names = list(fastvec.testing.CHECKS)
    return [name for name in names[: names.index(check) + 1] if name == check or name not in SLOW]


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("name", [*FAULTS, *LATER_FAULTS])
def test_planted_fault_is_found_and_named(name):
    check, message = {**FAULTS, **LATER_FAULTS}[name]
    report = fastvec.testing.run_checks(f"broken/{name}-v0", only=_up_to(check), isolate=False)
    first = report.failures[0]
    assert (first.check, message in first.message) == (check, True), str(first)
    assert first.hint


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("name", FATAL_FAULTS)
def test_env_that_ends_its_process_or_never_returns_is_reported(name):
    check, message = FATAL_FAULTS[name]
    limit = 1.0 if name == "Hangs" else 60.0
    report = fastvec.testing.run_checks(f"broken/{name}-v0", only=_up_to(check), time_limit=limit)
    first = report.failures[0]
    assert (first.check, message in first.message) == (check, True), str(first)


@pytest.mark.usefixtures("broken")
def test_checks_that_do_not_need_one_that_killed_the_env_still_run():
    report = fastvec.testing.run_checks("broken/CrashesLate-v0", only=["steps", "endurance", "infos", "waiting"])
    assert [failure.check for failure in report.failures] == ["endurance"]
    assert set(report.checks) == {"steps", "endurance", "infos", "waiting"}


@pytest.mark.usefixtures("broken")
def test_check_raises_what_it_found():
    with pytest.raises(fastvec.testing.ConformanceError) as caught:
        fastvec.testing.check_env("broken/WritesBehind-v0", throughput=False)
    assert caught.value.report.failures[0].check == "memory"
    assert "wrote past the end of its row of observation" in str(caught.value)
    assert "fix: " in str(caught.value)


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("name", NOTES)
def test_what_may_be_meant_is_noted_only(name):
    check, message = NOTES[name]
    only = ["steps", check]
    report = fastvec.testing.run_checks(f"broken/{name}-v0", only=only, isolate=False)
    assert [(note.check, message in note.message) for note in report.notes] == [(check, True)]


@pytest.mark.usefixtures("broken")
def test_sound_env_passes_without_a_note():
    report = fastvec.testing.check_env("broken/None-v0")
    assert (report.failures, report.notes, report.skipped) == ((), (), ())
    assert report.checks == tuple(fastvec.testing.CHECKS)
    assert report.steps_per_second > 0
    assert report.allocations_per_step == 0


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "Blackjack-v1", "Taxi-v4"])
def test_built_in_env_conforms(env_id):
    slow = ("throughput",) if env_id == "Taxi-v4" else SLOW
    only = [name for name in fastvec.testing.CHECKS if name not in slow]
    report = fastvec.testing.run_checks(env_id, only=only, isolate=False)
    assert report.failures == ()


def test_env_of_another_packages_simulator_conforms():
    pytest.importorskip("mujoco")
    only = ["memory", "steps", "observations", "state", "threads"]
    assert fastvec.testing.run_checks("InvertedPendulum-v5", only=only, isolate=False).failures == ()


def test_env_that_cannot_be_made_is_the_callers_error():
    with pytest.raises(fastvec.errors.UnknownEnvError, match="CartPole-v1"):
        fastvec.testing.check_env("CartPole-v9")
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        fastvec.testing.check_env("CartPole-v1", gravity=1.0)
    with pytest.raises(ValueError, match="expected num_envs >= 2"):
        fastvec.testing.check_env("CartPole-v1", num_envs=1)


def test_command_says_what_is_wrong_and_how_to_fix_it(broken, capsys):
    only = ["--checks", "steps", "determinism", "reset"]
    assert main(["check", "broken/Leftover-v0", "--plugin", str(broken), "--no-throughput", *only]) == 1
    printed = capsys.readouterr().out
    assert "FAIL  reset" in printed
    assert "fix: reset() has to set every member that a later call reads" in printed
    assert "broken/Leftover-v0 fails 1 of" in printed


def test_command_that_checks_an_env_which_exits_with_0_returns_1(broken, capsys):
    assert main(["check", "broken/Exits-v0", "--plugin", str(broken)]) == 1
    printed = capsys.readouterr().out
    assert "FAIL  memory        the env ended the whole process, with exit status 0" in printed
    assert "broken/Exits-v0 fails 1 of 1 checks" in printed


def test_command_passes_env_kwargs_and_ends_with_json(capsys):
    words = ["check", "FrozenLake-v1", "--env-kwargs", "is_slippery=False", "map_name=8x8", "--json"]
    words += ["--checks", "steps", "determinism", "reset", "seeding"]
    assert main(words) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["failures"] == []
    assert any("16 seeds gave the same episodes" in note["message"] for note in report["notes"])


@pytest.mark.parametrize(
    "words",
    [
        ["CartPole-v9"],
        ["CartPole-v1", "--env-kwargs", "x"],
        ["CartPole-v1", "--plugin", "/none.so"],
        ["CartPole-v1", "--checks", "everything"],
        ["CartPole-v1", "--time-limit", "0"],
    ],
)
def test_command_returns_2_for_what_cannot_be_checked(words, capsys):
    assert main(["check", *words]) == 2
    assert "fastvec check: " in capsys.readouterr().err
