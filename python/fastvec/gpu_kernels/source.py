"""Writes the source of an env's kernels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gymnasium.vector import AutoresetMode

import fastvec

__all__ = ["KernelSource", "generate"]

_MODES = {
    AutoresetMode.NEXT_STEP: "kNextStep",
    AutoresetMode.SAME_STEP: "kSameStep",
    AutoresetMode.DISABLED: "kDisabled",
}
_CLASS_NAME = re.compile(r"(::)?[A-Za-z_]\w*(::[A-Za-z_]\w*)*")
_NAME = re.compile(r"[A-Za-z_]\w*")

_TEXT = """\
// The kernels of {env_class}, autoreset {mode}. Written by fastvec.gpu_kernels.
#define FASTVEC_KERNEL
{widths}#include "fastvec/kernel.hpp"

#include "{header}"

namespace {{

namespace kernel = fastvec::kernel;

using Env = {env_class};
using Config = kernel::Checked<Env>::Config;
using Shared = kernel::Checked<Env>::Shared;
using Action = kernel::RowOf<Env::Action>;
using Observation = kernel::RowOf<Env::Observation>;
{checks}
}}  // namespace

extern "C" {{
FASTVEC_KERNEL_DATA std::int64_t fastvec_layout[8] = {{
    sizeof(Env),
    sizeof(Shared),
    sizeof(fv_rng),
    fastvec::dtype_of<Observation::Element>(),
    Observation::kWidth,
    fastvec::dtype_of<Action::Element>(),
    Action::kWidth,
    kernel::num_options<Env>(),
}};
}}

FASTVEC_KERNEL_FUNCTION fastvec_create(std::int64_t num_envs, Shared* FASTVEC_RESTRICT shared,
                                       Env* FASTVEC_RESTRICT states, fv_rng* FASTVEC_RESTRICT rngs,
                                       std::int32_t* FASTVEC_RESTRICT elapsed, std::uint8_t* FASTVEC_RESTRICT status) {{
  kernel::for_each_env(num_envs, [=](std::int64_t env) {{
    if (env == 0) {{
      Config config;
{assignments}      kernel::make_shared<Env>(shared, config);
    }}
    kernel::create<Env>({{shared, states, rngs, elapsed, status, nullptr}}, env);
  }});
}}

FASTVEC_KERNEL_FUNCTION fastvec_reset(std::int64_t num_envs, const std::uint64_t* FASTVEC_RESTRICT seeds,
                                      const std::uint8_t* FASTVEC_RESTRICT mask,
                                      const double* FASTVEC_RESTRICT option_values,
                                      const std::uint8_t* FASTVEC_RESTRICT option_present,
                                      const Shared* FASTVEC_RESTRICT shared, Env* FASTVEC_RESTRICT states,
                                      fv_rng* FASTVEC_RESTRICT rngs, std::int32_t* FASTVEC_RESTRICT elapsed,
                                      std::uint8_t* FASTVEC_RESTRICT status,
                                      Observation::Element* FASTVEC_RESTRICT observations) {{
  const fastvec::Options options(option_values, option_present);
  kernel::for_each_env(num_envs, [=](std::int64_t env) {{
    kernel::reset<Env>({{shared, states, rngs, elapsed, status, observations}}, env, seeds, mask, options);
  }});
}}

FASTVEC_KERNEL_FUNCTION fastvec_step(
    std::int64_t num_envs, const Action::Element* FASTVEC_RESTRICT actions, std::int32_t max_episode_steps,
    const Shared* FASTVEC_RESTRICT shared, Env* FASTVEC_RESTRICT states, fv_rng* FASTVEC_RESTRICT rngs,
    std::int32_t* FASTVEC_RESTRICT elapsed, std::uint8_t* FASTVEC_RESTRICT status,
    Observation::Element* FASTVEC_RESTRICT observations, double* FASTVEC_RESTRICT rewards,
    std::uint8_t* FASTVEC_RESTRICT terminated, std::uint8_t* FASTVEC_RESTRICT truncated,
    Observation::Element* FASTVEC_RESTRICT final_observations) {{
  kernel::for_each_env(num_envs, [=](std::int64_t env) {{
    kernel::step<Env, kernel::Autoreset::{mode}>({{shared, states, rngs, elapsed, status, observations}},
                                                 {{rewards, terminated, truncated}}, env, actions, final_observations,
                                                 max_episode_steps);
  }});
}}
"""


@dataclass(frozen=True)
class KernelSource:
    """Source that compiles to PTX (:func:`fastvec.gpu_kernels.compile_ptx`) and, as it is, for the host.

    Attributes:
        env_class: the env's class.
        header: the header that has it.
        text: C++20. Needs ``include_dirs``.
        include_dirs: where the env's header and fastvec's are.
    """

    env_class: str
    header: Path
    text: str
    include_dirs: tuple[Path, ...]


def generate(
    header: str | Path,
    env_class: str,
    *,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    config: Mapping[str, bool | float] | None = None,
    observation_width: int | None = None,
    action_width: int | None = None,
    include_dirs: Sequence[str | Path] = (),
) -> KernelSource:
    """Write the kernels of an env.

    Args:
        header: the file that defines the env's class: a header, or the plugin's one ``.cpp``.
        env_class: its name with its namespaces, ``"my_envs::Maze"``.
        autoreset_mode: as for :func:`fastvec.make_vec`; it is part of the kernels.
        config: keyword arguments or parameters that differ from their defaults, by the names that ``kwargs()`` and
            ``parameters()`` give them.
        observation_width: elements of a row, where the env's type, a ``std::span<float>`` or the like, leaves it to its
            spec.
        action_width: likewise.
        include_dirs: further folders with headers that the env includes.

    Returns:
        The source. Whether it compiles is only known then.

    Raises:
        FileNotFoundError: there is no such header.
        ValueError, TypeError: a name that is none in C++, an unknown mode, or a value that is no finite number.
    """
    path = Path(header).resolve()
    if not path.is_file():
        raise FileNotFoundError(f"expected the header of {env_class}, got {header}, which is no file")
    if not _CLASS_NAME.fullmatch(env_class):
        raise ValueError(f"expected the name of a class, such as my_envs::Maze, got {env_class!r}")
    mode = AutoresetMode(autoreset_mode)
    config = dict(config or {})
    assignments = "".join(
        f'      kernel::assign(config, "{name}", {_literal(name, value)});\n' for name, value in config.items()
    )
    checks = "".join(
        f'static_assert(kernel::declares<Config>("{name}"),\n'
        f"              \"fastvec: the env's Config declares no keyword argument or parameter '{name}'\");\n"
        for name in config
    )
    widths = {"OBSERVATION": observation_width, "ACTION": action_width}
    text = _TEXT.format(
        widths="".join(_define_width(name, width) for name, width in widths.items() if width is not None),
        env_class="::" + env_class.removeprefix("::"),
        header=path.name,
        mode=_MODES[mode],
        assignments=assignments,
        checks=checks,
    )
    directories = (path.parent, *(Path(folder).resolve() for folder in include_dirs), Path(fastvec.get_include()))
    return KernelSource(env_class=env_class.removeprefix("::"), header=path, text=text, include_dirs=directories)


def _define_width(name: str, width: int) -> str:
    if width < 1:
        raise ValueError(f"{name.lower()}_width: expected at least 1, got {width}")
    return f"#define FASTVEC_{name}_WIDTH {int(width)}\n"


def _literal(name: str, value: bool | float) -> str:
    """As C++ writes the number."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"expected the name of a keyword argument, got {name!r}")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if not -(2**63) < value < 2**63:
            raise ValueError(f"{name}: expected a number of 64 bits, got {value}")
        return f"std::int64_t{{{value}}}"
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(f"{name}: expected a finite number, got {value}")
        return value.hex()
    raise TypeError(f"{name}: expected a bool, an int or a float, got {type(value).__name__}")
