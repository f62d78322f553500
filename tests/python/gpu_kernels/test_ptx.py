"""Kernels compiled by NVRTC, which needs no GPU."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from fastvec import gpu_kernels
from fastvec.gpu_kernels import KernelError, KernelSource, Reason, compile_ptx, generate, nvrtc

HERE = Path(__file__).parent
COURIER = HERE / "fixtures" / "courier.cpp"
TEMPLATE = HERE.parents[2] / "python/fastvec/cli/templates/my_envs/cpp/my_envs.cpp"

pytestmark = pytest.mark.skipif(not nvrtc.is_installed(), reason=f"NVRTC is not installed: {nvrtc.INSTALL}")

# Types of the arguments, as PTX has them: fastvec_create, fastvec_reset, fastvec_step.
NUM_POINTERS = {"fastvec_create": 5, "fastvec_reset": 10, "fastvec_step": 11}


def check(kernels: gpu_kernels.Kernels, architecture: str) -> None:
    """All three kernels are there for this architecture, complete, with nothing from a heap or a host."""
    ptx = kernels.ptx
    assert re.search(rf"^\.target {architecture}$", ptx, re.M)
    for name, num_pointers in NUM_POINTERS.items():
        entry = re.search(rf"^\.visible \.entry {name}\((.*?)\)\n", ptx, re.M | re.S)
        assert entry is not None, f"no kernel {name}"
        assert len(re.findall(r"\.param \.u64", entry[1])) == num_pointers + 1  # and num_envs
    assert ".extern" not in ptx


def body(ptx: str, name: str) -> str:
    """What stands between a kernel's braces."""
    return ptx.partition(f".visible .entry {name}(")[2].partition("\n}")[0]


@pytest.mark.parametrize(
    ("env_id", "architecture"),
    [
        ("CartPole-v1", "sm_80"),
        ("CartPole-v1", "sm_90"),
        ("Pendulum-v1", "sm_90"),
        ("Acrobot-v1", "sm_80"),
        ("MountainCar-v0", "sm_80"),
        ("MountainCarContinuous-v0", "sm_90"),
    ],
)
def test_builtin_envs_compile_to_ptx(env_id: str, architecture: str) -> None:
    env = gpu_kernels.builtin_env(env_id)
    kernels = compile_ptx(generate(env.header, env.env_class), architecture=architecture)
    check(kernels, architecture)
    throws = env_id == "Acrobot-v1"
    assert bool(re.search(r"\texit;", kernels.ptx)) == throws
    # For the reduction of large angles, and not for 16 envs at a time.
    stack = [int(size) for size in re.findall(r"\.local [^;]*\[(\d+)\];", kernels.ptx)]
    assert max(stack) <= 128


def test_an_authors_plugin_compiles_as_it_is() -> None:
    source = generate(COURIER, "post::Courier", autoreset_mode="Disabled", config={"houses": 9})
    kernels = compile_ptx(source)
    check(kernels, "sm_80")
    layout = kernels.layout
    assert (layout.state_bytes, layout.shared_bytes, layout.rng_bytes) == (5 * 8, 3 * 8 + 16 * 8, 40)
    assert (layout.observation_dtype, layout.observation_width) == (np.float64, 3)
    assert (layout.action_dtype, layout.action_width, layout.num_options) == (np.int64, 2, 1)
    step = body(kernels.ptx, "fastvec_step")
    assert "mul.rn.f64" in step
    assert "add.rn.f64" in step
    assert "fma." not in step, "operations are rounded one by one, as on the CPU"
    assert re.search(r"\texit;", step), "a throw ends the thread"


def test_the_package_that_fastvec_new_writes_compiles() -> None:
    kernels = compile_ptx(generate(TEMPLATE, "GridWalk", config={"size": 5, "slip": 0.25}), architecture="sm_90")
    check(kernels, "sm_90")


ENV = """
#include <fastvec/env.hpp>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>
{includes}
struct Maze {{
  struct Config {{
    {config}
  }};
  using Action = {action};
  using Observation = std::span<float, 1>;
  static fastvec::Spec spec(const Config&) {{
    return {{.observation = fastvec::Box<float>(0, 1, {{1}}), .action = fastvec::Discrete(2)}};
  }}
  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options&) {{
    at = rng.integers(0, 9);
    {reset}
  }}
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {{
    {step}
    return {{.terminated = at == 0}};
  }}
  void observe(const Config&, Observation observation) const {{ observation[0] = static_cast<float>(at); }}
  void save(fastvec::StateWriter& writer) const {{ writer.value(at); }}
  void load(fastvec::StateReader& reader) {{ at = reader.value<std::int64_t>(); }}
  {members}
  std::int64_t at = 0;
}};
"""


def maze(folder: Path, *, config: str = "", action: str = "std::int64_t", **parts: str) -> KernelSource:
    filled = {"includes": "", "reset": "", "step": "", "members": "", **parts}
    header = folder / "maze.hpp"
    header.write_text(ENV.format(config=config, action=action, **filled))
    return generate(header, "Maze")


def refusal(source: KernelSource) -> tuple[Reason, ...]:
    with pytest.raises(KernelError, match="Maze cannot be a kernel") as caught:
        compile_ptx(source)
    for reason in caught.value.reasons:
        assert str(reason) in str(caught.value)
        if reason.line:
            assert reason.file == "maze.hpp"
    return caught.value.reasons


def line_of(source: KernelSource, text: str) -> int:
    (line,) = [n for n, line in enumerate(source.header.read_text().split("\n"), 1) if text in line]
    return line


def test_members_that_cannot_go_are_named_with_their_lines(tmp_path: Path) -> None:
    source = maze(
        tmp_path,
        config='std::string map = "small";  // a comment: std::vector<int> no_member;',
        action="std::span<const std::int64_t>",
        members="virtual double bonus() const { return 0.0; }\n  std::vector<int> path{1, 2};",
    )
    source = generate(source.header, "Maze", config={"speed": 1}, observation_width=2)
    reasons = refusal(source)
    text = "\n".join(map(str, reasons))
    assert f"maze.hpp:{line_of(source, 'virtual')}: `virtual double bonus() const`" in text
    assert f"maze.hpp:{line_of(source, 'path{')}: `std::vector<int> path{{1, 2}}`: the env's state is not plain" in text
    assert f'maze.hpp:{line_of(source, "map =")}: `std::string map = "small"`: the env\'s Config is not plain' in text
    assert "Action is neither a number nor a std::span of fixed extent" in text
    assert "observation_width= is not the extent of the env's Observation" in text
    assert "the env's Config declares no keyword argument or parameter 'speed'" in text
    assert len(reasons) == 6


def test_memory_from_the_heap_is_found_where_a_kernel_uses_it(tmp_path: Path) -> None:
    source = maze(
        tmp_path,
        includes="inline long total(long n) {\n  std::vector<long> all(n, 1);\n  return all.back();\n}",
        reset="if (at == 1) at = std::to_string(at).size();\n    if (at == 2) at = *new long[at];",
        step="if (action == 1) at = total(at);",
    )
    reasons = refusal(source)
    assert {(reason.line, reason.message.partition(" takes ")[0].partition(" (")[0]) for reason in reasons} == {
        (line_of(source, "all(n, 1)"), "std::vector"),
        (line_of(source, "std::to_string"), "std::string"),
        (line_of(source, "new long"), "memory from the heap"),
    }


def test_words_that_a_gpu_does_not_know_are_found(tmp_path: Path) -> None:
    source = maze(
        tmp_path,
        step="try { at = 1; } catch (...) { at = 2; }\n    std::array<int, 2> two{2, 1};\n    "
        "std::sort(two.begin(), two.end());",
    )
    reasons = refusal(source)
    assert [reason.line for reason in reasons] == [line_of(source, "try {"), line_of(source, "std::sort")]
    assert reasons[0].message.startswith("`try` and `catch`")
    assert reasons[1].message.startswith("std::sort: a kernel's standard library")


def test_a_header_that_is_not_there(tmp_path: Path) -> None:
    (reason,) = refusal(maze(tmp_path, includes="#include <thread>"))
    assert reason.message.startswith("<thread> is not found")


def test_architectures_are_checked() -> None:
    source = generate(COURIER, "post::Courier")
    with pytest.raises(ValueError, match=r"expected an architecture such as 'sm_80', got '8\.0'"):
        compile_ptx(source, architecture="8.0")
    with pytest.raises(RuntimeError, match="NVRTC: "):
        compile_ptx(source, architecture="sm_1")
