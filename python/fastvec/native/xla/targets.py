"""The functions of ``fastvec._core`` that XLA calls."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from fastvec import _core

__all__ = ["call", "canonical", "require_cpu"]

_OLDEST = (0, 10)


@functools.cache
def _register() -> None:
    """Register the handlers, once in a process.

    Raises:
        ImportError: a version of JAX whose foreign function interface is another one.
    """
    if jax.__version_info__[:2] < _OLDEST:
        raise ImportError(f"fastvec.jax needs JAX {'.'.join(map(str, _OLDEST))} or later, got {jax.__version__}")
    for name, handler in _core.xla_handlers().items():
        try:
            jax.ffi.register_ffi_target(name, handler, platform="cpu")
        except Exception as error:
            raise ImportError(
                f"JAX {jax.__version__} does not take functions of XLA's FFI 0.1, which fastvec's are: {error}"
            ) from error


def canonical(dtype: Any) -> np.dtype[Any]:
    """What JAX has in place of a dtype: float32 for float64 and so on, unless ``jax_enable_x64`` is set."""
    return np.dtype(jax.dtypes.canonicalize_dtype(dtype))


def require_cpu(what: str) -> None:
    """Refuse to be traced for an accelerator, for which there are no handlers.

    Raises:
        NotImplementedError: the default device is none of the CPU's.
    """
    device = jax.config.jax_default_device
    platform = jax.default_backend() if device is None else getattr(device, "platform", device)
    if platform != "cpu":
        raise NotImplementedError(
            f"{what}: native envs step on the CPU, got the default device {platform!r}: run it under "
            "`jax.default_device(jax.devices('cpu')[0])`, or go through the host by io_callback, as docs/jax.md shows"
        )


def call(
    name: str,
    results: Sequence[jax.ShapeDtypeStruct],
    arguments: Sequence[Any],
    *,
    has_side_effect: bool = False,
    vmap_method: str | None = None,
    aliases: dict[int, int] | None = None,
    **attributes: Any,
) -> list[jax.Array]:
    """Call a handler, as ``jax.ffi.ffi_call`` does."""
    _register()
    function = jax.ffi.ffi_call(
        name,
        list(results),
        has_side_effect=has_side_effect,
        vmap_method=vmap_method,
        input_output_aliases=aliases,
    )
    return list(function(*arguments, **attributes))
