"""Checkpoints: one file, written so that a crash at any moment leaves the old one or the new one, whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

FORMAT = 3


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` to ``path`` atomically.

    Raises:
        OSError: the disk does not take it; the old file is still there then.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            try:
                torch.save({"format": FORMAT, **content}, file)
            except RuntimeError as error:  # what torch makes of a write that fails
                cause = error.__context__
                if isinstance(cause, OSError):
                    raise cause from None
                raise
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What :func:`write_checkpoint` wrote, with all tensors on the CPU. ``path`` may be a run directory.

    A checkpoint holds Python objects (the environments' snapshot among them): open only files that you trust.

    Raises:
        FileNotFoundError: there is none. ValueError: the file is no checkpoint, damaged, or of another version.
    """
    if path.is_dir():
        others = sorted(file.name for file in path.glob("*.pt"))
        path = path / "checkpoint.pt"
        if not path.exists() and others:
            raise FileNotFoundError(f"there is no checkpoint at {path}; the directory has {', '.join(others)}")
    if not path.exists():
        raise FileNotFoundError(f"there is no checkpoint at {path}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=False)
    except OSError:
        raise
    except Exception as error:  # whatever unpickling garbage leads to
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} is damaged, or no checkpoint of fastvec: {reason}") from error
    found = content.get("format") if isinstance(content, dict) else None
    if found is None:
        raise ValueError(f"{path} is no checkpoint of fastvec")
    if found != FORMAT:
        advice = "; a newer fastvec wrote it" if isinstance(found, int) and found > FORMAT else ""
        raise ValueError(f"{path} has checkpoint format {found}, this version reads {FORMAT}{advice}")
    return content


def restore_module(module: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Copy ``state`` into the tensors of ``module``, in place.

    Raises:
        ValueError: names or shapes differ, nothing is copied then; ``name`` says whose they are.
    """
    own = module.state_dict()
    here, there = ({key: list(value.shape) for key, value in tensors.items()} for tensors in (own, state))
    for key in [*here, *there]:
        if here.get(key) != there.get(key):
            shapes = [shapes.get(key, "nothing") for shapes in (there, here)]
            raise ValueError(
                f"the checkpoint's {name} does not fit: its {key} is {shapes[0]}, and {shapes[1]} is wanted "
                "(another environment, or other settings of the network?)"
            )
    with torch.no_grad():
        for key, value in state.items():
            own[key].copy_(value)
