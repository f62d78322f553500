"""What ``generate`` takes."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import pytest
from gymnasium.vector import AutoresetMode

from fastvec import gpu_kernels
from fastvec.gpu_kernels import generate, nvrtc

COURIER = Path(__file__).parent / "fixtures" / "courier.cpp"


def test_autoreset_modes_by_value_and_by_member() -> None:
    texts = {
        generate(COURIER, "post::Courier", autoreset_mode=mode).text for mode in ("SameStep", AutoresetMode.SAME_STEP)
    }
    (text,) = texts
    assert "Autoreset::kSameStep" in text
    with pytest.raises(ValueError, match="Never"):
        generate(COURIER, "post::Courier", autoreset_mode="Never")


def test_the_headers_folder_and_fastvecs_are_searched() -> None:
    source = generate(COURIER, "::post::Courier", include_dirs=[COURIER.parents[1]])
    assert source.env_class == "post::Courier"
    assert source.include_dirs[:2] == (COURIER.parent.resolve(), COURIER.parents[1].resolve())
    assert (source.include_dirs[-1] / "fastvec" / "kernel.hpp").is_file()


def test_numbers_keep_every_bit() -> None:
    text = generate(COURIER, "post::Courier", config={"slip": 0.1, "houses": -3, "patience": False}).text
    assert f'assign(config, "slip", {(0.1).hex()})' in text
    assert 'assign(config, "houses", std::int64_t{-3})' in text
    assert 'assign(config, "patience", false)' in text


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"header": "no_such.hpp"}, FileNotFoundError, "expected the header of post::Courier, got no_such.hpp"),
        ({"env_class": "post.Courier"}, ValueError, "expected the name of a class, .* got 'post.Courier'"),
        ({"env_class": "A; evil()"}, ValueError, "expected the name of a class"),
        ({"config": {"a b": 1}}, ValueError, "expected the name of a keyword argument, got 'a b'"),
        ({"config": {"slip": float("nan")}}, ValueError, "slip: expected a finite number, got nan"),
        ({"config": {"houses": 2**63}}, ValueError, "houses: expected a number of 64 bits"),
        ({"action_width": 0}, ValueError, "action_width: expected at least 1, got 0"),
        ({"config": {"houses": "9"}}, TypeError, "houses: expected a bool, an int or a float, got str"),
    ],
)
def test_arguments_are_checked(arguments: dict, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        generate(**{"header": COURIER, "env_class": "post::Courier", **arguments})


def test_builtin_envs_have_the_limits_of_their_ids() -> None:
    for env_id in gpu_kernels.builtin_ids():
        env = gpu_kernels.builtin_env(env_id)
        assert env.header.is_file()
        assert env.max_episode_steps == gymnasium.spec(env_id).max_episode_steps
    with pytest.raises(ValueError, match=r"expected one of CartPole-v0, .*, got 'Taxi-v3'"):
        gpu_kernels.builtin_env("Taxi-v3")


def test_a_compiler_that_is_missing_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    for found in (nvrtc._library, nvrtc._libcuxx):
        monkeypatch.setattr(nvrtc, found.__name__, found.__wrapped__)  # not what an earlier call found
    monkeypatch.setattr(nvrtc, "_roots", lambda: iter(()))
    assert not nvrtc.is_installed()
    with pytest.raises(ImportError, match=r"NVRTC is not installed: pip install \"fastvec\[gpu-kernels\]\""):
        gpu_kernels.compile_ptx(generate(COURIER, "post::Courier"))
