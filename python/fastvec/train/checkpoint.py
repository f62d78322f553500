"""Checkpoints: one file, written so that a crash at any moment leaves the old one or the new one, whole.

The file is a zip archive of three kinds of members, all of which are data and none of which is code:

- ``checkpoint.json``: the settings and everything else that is small, as a tree.
- ``tensors.safetensors``: the tensors and arrays of the tree.
- ``bytes/...``: what is opaque, such as the states of environments.
"""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch
from torch import Tensor, nn

FORMAT = 4
PICKLED_FORMAT = 3
"""The last format that was a pickle."""

TREE = "checkpoint.json"
TENSORS = "tensors.safetensors"
KIND = "$"
"""The key of a JSON object that stands for something that JSON has no word for."""


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` to ``path`` atomically.

    Args:
        path: the file.
        content: dicts, lists, tuples, numbers, strings, None, bytes, NumPy arrays of numbers, and tensors.

    Raises:
        TypeError: it holds something else; the message says where. OSError: the disk does not take it. The old file is
            still there then.
    """
    encoder = _Encoder()
    tree = json.dumps(encoder.encode({"format": FORMAT, **content}, ""))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr(TREE, tree)
                archive.writestr(TENSORS, safetensors.numpy.save(encoder.arrays))
                for name, data in encoder.blobs.items():
                    archive.writestr(f"bytes/{name}", data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_checkpoint(path: Path, *, trust: bool = False) -> dict[str, Any]:
    """What :func:`write_checkpoint` wrote, with all tensors on the CPU. Nothing in the file is run.

    Args:
        path: the file, or a run directory.
        trust: also read a file of format 3, which is a pickle: reading it runs what is in it.

    Raises:
        FileNotFoundError: there is none. ValueError: the file is no checkpoint, damaged, of another version, or a
            pickle that is not trusted.
    """
    if path.is_dir():
        others = sorted(file.name for file in path.glob("*.pt"))
        path = path / "checkpoint.pt"
        if not path.exists() and others:
            raise FileNotFoundError(f"there is no checkpoint at {path}; the directory has {', '.join(others)}")
    if not path.exists():
        raise FileNotFoundError(f"there is no checkpoint at {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if TREE in names:
                content = _decode(json.loads(archive.read(TREE)), _Members(archive))
            elif any(name.endswith("data.pkl") for name in names):
                return _read_pickle(path, trust)
            else:
                raise ValueError("it has other things in it")
    except (OSError, UntrustedCheckpointError):
        raise
    except Exception as error:  # whatever reading garbage leads to
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} is damaged, or no checkpoint of fastvec: {reason}") from error
    _check_format(path, content, FORMAT)
    return content


class UntrustedCheckpointError(ValueError):
    """A checkpoint whose reading runs code, and nobody said that it is to be trusted."""


def can_be_written(value: Any) -> bool:
    """Whether a checkpoint can hold ``value``."""
    try:
        json.dumps(_Encoder().encode(value, ""))
    except TypeError:
        return False
    return True


def _check_format(path: Path, content: Any, expected: int) -> None:
    found = content.get("format") if isinstance(content, dict) else None
    if found is None:
        raise ValueError(f"{path} is no checkpoint of fastvec")
    if found != expected:
        advice = "; a newer fastvec wrote it" if isinstance(found, int) and found > FORMAT else ""
        raise ValueError(f"{path} has checkpoint format {found}, this version reads {FORMAT}{advice}")


def _read_pickle(path: Path, trust: bool) -> dict[str, Any]:
    if not trust:
        raise UntrustedCheckpointError(
            f"{path} is a checkpoint of format {PICKLED_FORMAT} or older, or no checkpoint: reading it runs what is in "
            "it. If you trust it, pass trust=True, or --trust"
        )
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=False)
    _check_format(path, content, PICKLED_FORMAT)
    warnings.warn(
        f"{path} has checkpoint format {PICKLED_FORMAT}, which is a pickle; saving writes format {FORMAT}", stacklevel=4
    )
    for rank in content.get("ranks", ()):
        if rank.get("envs") is not None:
            rank["envs"] = [{"state": state} for state in rank["envs"]]
    return content


class _Encoder:
    """Turns a tree into what JSON can say, and puts the rest aside by its place in the tree."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray[Any, Any]] = {}
        self.blobs: dict[str, bytes] = {}

    def encode(self, value: Any, place: str) -> Any:
        """``value`` at ``place``, for JSON.

        Raises:
            TypeError: there is no way to write it.
        """
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, Tensor):
            self.arrays[place] = np.asarray(value.detach().cpu().numpy(), order="C")
            return {KIND: "tensor", "name": place}
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            self.arrays[place] = np.asarray(value, order="C")
            return {KIND: "array", "name": place}
        if isinstance(value, np.generic) and value.dtype.kind in "biuf":
            return value.item()
        if isinstance(value, bytes):
            self.blobs[place] = value
            return {KIND: "bytes", "name": place}
        if isinstance(value, list | tuple):
            items = [self.encode(item, f"{place}/{i}") for i, item in enumerate(value)]
            return items if isinstance(value, list) else {KIND: "tuple", "items": items}
        if isinstance(value, dict) and all(isinstance(key, str) and key != KIND for key in value):
            return {key: self.encode(item, f"{place}/{key}") for key, item in value.items()}
        raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}, as there is at {place or 'its root'}")


class _Members:
    """What a tree refers to, in an archive."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.tensors = safetensors.torch.load(archive.read(TENSORS))


def _decode(value: Any, members: _Members) -> Any:
    if isinstance(value, list):
        return [_decode(item, members) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(KIND)
    if kind is None:
        return {key: _decode(item, members) for key, item in value.items()}
    if kind == "tuple":
        return tuple(_decode(item, members) for item in value["items"])
    if kind == "bytes":
        return members.archive.read(f"bytes/{value['name']}")
    tensor = members.tensors[value["name"]]
    return tensor if kind == "tensor" else tensor.numpy()


def state_of(module: nn.Module | None) -> dict[str, Tensor] | None:
    """The tensors of a part that a run may not have."""
    return None if module is None else module.state_dict()


def restore_statistics(
    module: nn.Module | None, state: Mapping[str, Tensor] | None, rank: Mapping[str, Any] | None, name: str
) -> None:
    """:func:`restore_module` for running statistics that this run, or the one before, may not have.

    Args:
        module: a normaliser; its ``returns``, where it has any, are sums of episodes under way.
        state: from :func:`state_of`.
        rank: what was kept of this rank, ``returns`` among it; None where its episodes are not continued, whose sums
            begin anew then.
        name: for messages.
    """
    if module is None or state is None:
        return
    if "returns" in state:
        none_yet = torch.zeros_like(module.state_dict()["returns"])  # there may be another number of environments
        state = {**state, "returns": none_yet if rank is None else rank["returns"]}
    restore_module(module, state, name)


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
