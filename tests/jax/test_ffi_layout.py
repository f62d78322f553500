"""cpp/jax/include/jax/ffi.hpp against the header that jaxlib installs: the same sizes, offsets and numbers."""

from __future__ import annotations

import re
from pathlib import Path

import jax
import pytest

from support.compiling import compiler, run

ROOT = Path(__file__).parents[2]

# ours: (XLA's, our member: XLA's member)
STRUCTS = {
    "Extension": ("XLA_FFI_Extension_Base", {"struct_size": "struct_size", "type": "type", "next": "next"}),
    "ApiVersion": (
        "XLA_FFI_Api_Version",
        {"struct_size": "struct_size", "extension_start": "extension_start"}
        | {"major_version": "major_version", "minor_version": "minor_version"},
    ),
    "Metadata": (
        "XLA_FFI_Metadata",
        {"struct_size": "struct_size", "api_version": "api_version", "traits": "traits"},
    ),
    "MetadataExtension": ("XLA_FFI_Metadata_Extension", {"base": "extension_base", "metadata": "metadata"}),
    "ErrorCreateArgs": (
        "XLA_FFI_Error_Create_Args",
        {"struct_size": "struct_size", "extension_start": "extension_start", "message": "message", "code": "errc"},
    ),
    "Api": (
        "XLA_FFI_Api",
        {"struct_size": "struct_size", "api_version": "api_version", "error_create": "XLA_FFI_Error_Create"},
    ),
    "Buffer": (
        "XLA_FFI_Buffer",
        {"struct_size": "struct_size", "dtype": "dtype", "data": "data", "rank": "rank", "dims": "dims"},
    ),
    "Args": ("XLA_FFI_Args", {"struct_size": "struct_size", "size": "size", "types": "types", "args": "args"}),
    "Rets": ("XLA_FFI_Rets", {"struct_size": "struct_size", "size": "size", "types": "types", "rets": "rets"}),
    "ByteSpan": ("XLA_FFI_ByteSpan", {"ptr": "ptr", "len": "len"}),
    "Scalar": ("XLA_FFI_Scalar", {"dtype": "dtype", "value": "value"}),
    "Attrs": (
        "XLA_FFI_Attrs",
        {"struct_size": "struct_size", "size": "size", "types": "types", "names": "names", "attrs": "attrs"},
    ),
    "CallFrame": (
        "XLA_FFI_CallFrame",
        {"struct_size": "struct_size", "extension_start": "extension_start", "api": "api", "context": "ctx"}
        | {"stage": "stage", "args": "args", "rets": "rets", "attrs": "attrs"},
    ),
}
GROWING = {"Metadata", "Api", "CallFrame"}  # later versions have more at the end

NUMBERS = {
    "kMajor": "XLA_FFI_API_MAJOR",
    "kMetadataExtension": "XLA_FFI_Extension_Metadata",
    "kInvalidArgument": "XLA_FFI_Error_Code_INVALID_ARGUMENT",
    "kNotFound": "XLA_FFI_Error_Code_NOT_FOUND",
    "kFailedPrecondition": "XLA_FFI_Error_Code_FAILED_PRECONDITION",
    "kInternal": "XLA_FFI_Error_Code_INTERNAL",
    "kScalarAttr": "XLA_FFI_AttrType_SCALAR",
    "kExecute": "XLA_FFI_ExecutionStage_EXECUTE",
    **{f"k{name.title()}": f"XLA_FFI_DataType_{name}" for name in ("PRED", "S8", "S16", "S32", "S64")},
    **{f"k{name.title()}": f"XLA_FFI_DataType_{name}" for name in ("U8", "U16", "U32", "U64", "F32", "F64")},
}


def checks() -> list[str]:
    lines = []
    for ours, (theirs, members) in STRUCTS.items():
        ours = f"fastvec::jax::ffi::{ours}"
        for mine, other in members.items():
            lines.append(f"offsetof({ours}, {mine}) == offsetof({theirs}, {other})")
            lines.append(
                f"sizeof({ours}::{mine}) == sizeof({theirs}::{other})" * (mine not in {"api_version", "attrs"})
            )
        relation = "<=" if ours.rpartition("::")[2] in GROWING else "=="
        lines.append(f"sizeof({ours}) {relation} sizeof({theirs})")
    lines += [
        f"static_cast<int>(fastvec::jax::ffi::{mine}) == static_cast<int>({other})" for mine, other in NUMBERS.items()
    ]
    return [line for line in lines if line]


@pytest.fixture(scope="module")
def header() -> Path:
    path = Path(jax.ffi.include_dir()) / "xla" / "ffi" / "api" / "c_api.h"
    assert path.exists()
    return path


def test_own_declarations_agree_with_jaxlib(tmp_path, header):
    source = tmp_path / "layout.cpp"
    asserts = "\n".join(f"static_assert({check});" for check in checks())
    source.write_text(f'#include "jax/ffi.hpp"\n#include "xla/ffi/api/c_api.h"\n{asserts}\n')
    flags = ["-std=c++20", "-fsyntax-only", f"-I{ROOT / 'cpp' / 'jax' / 'include'}", f"-isystem{header.parents[3]}"]
    run(compiler(), *flags, source)


def test_a_difference_would_be_seen(tmp_path, header):
    changed = (ROOT / "cpp" / "jax" / "include" / "jax" / "ffi.hpp").read_text()
    assert "  std::int64_t rank;\n" in changed
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax" / "ffi.hpp").write_text(changed.replace("  std::int64_t rank;\n", "  std::int32_t rank;\n"))
    source = tmp_path / "layout.cpp"
    asserts = "\n".join(f"static_assert({check});" for check in checks())
    source.write_text(f'#include "jax/ffi.hpp"\n#include "xla/ffi/api/c_api.h"\n{asserts}\n')
    flags = ["-std=c++20", "-fsyntax-only", f"-I{tmp_path}", f"-isystem{header.parents[3]}"]
    with pytest.raises(AssertionError, match="rank"):
        run(compiler(), *flags, source)


def test_every_struct_is_compared():
    text = (ROOT / "cpp" / "jax" / "include" / "jax" / "ffi.hpp").read_text()
    assert set(re.findall(r"^struct (\w+) \{", text, re.MULTILINE)) == set(STRUCTS)
