"""The format of saved states.

``magic, format version, CRC-32 of the rest, length of the header, header (JSON), payload``. The header says
whose state it is; the payload is the engine's (see cpp/engine/snapshot.hpp).
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from typing import Any

from fastvec import _core
from fastvec.errors import StateError

__all__ = ["pack", "unpack"]

_MAGIC = b"fastvec\x00"
_VERSION = 2  # 1: native envs without time limits of their own
_PREFIX = struct.Struct("<8sIII")


def pack(payload: bytes, fingerprint: dict[str, Any], num_envs: int) -> bytes:
    """The payload with its header."""
    header = json.dumps(
        {**fingerprint, "num_envs": num_envs, "abi": _core.abi_version, "byteorder": sys.byteorder},
        sort_keys=True,
    ).encode()
    body = header + payload
    return _PREFIX.pack(_MAGIC, _VERSION, _checksum(len(header), body), len(header)) + body


def unpack(state: bytes, fingerprint: dict[str, Any], num_envs: int) -> tuple[bytes, int]:
    """The payload and its format, if the state is whole and belongs here. States of older formats do.

    Raises:
        TypeError: not bytes.
        StateError: damaged, foreign, or of a newer version; the message says what was expected.
    """
    if not isinstance(state, (bytes, bytearray, memoryview)):
        raise TypeError(f"expected a state of bytes from get_state(), got {type(state).__name__}")
    data = bytes(state)
    if len(data) < _PREFIX.size or not data.startswith(_MAGIC):
        raise StateError("expected a state from get_state(), got other data")
    _, version, checksum, header_size = _PREFIX.unpack_from(data)
    if not 1 <= version <= _VERSION:
        raise StateError(f"expected a state of format {_VERSION} or older, got format {version}")
    body = data[_PREFIX.size :]
    if _checksum(header_size, body) != checksum or header_size > len(body):
        raise StateError("the state is damaged: its checksum does not match")
    header = json.loads(body[:header_size])
    expected = {
        **fingerprint,
        "num_envs": num_envs,
        "abi": _core.abi_version[0],  # minor versions only add
        "byteorder": sys.byteorder,
    }
    header["abi"] = header["abi"][0]
    for key, value in json.loads(json.dumps(expected)).items():
        if json.dumps(header.get(key)) != json.dumps(value):  # as text, so that NaN equals NaN
            raise StateError(f"expected a state with {key}={value!r}, got one with {key}={header.get(key)!r}")
    return body[header_size:], version


def _checksum(header_size: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(header_size.to_bytes(4, "little")))
