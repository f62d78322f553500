"""Write normal_tables.hpp and exponential_tables.hpp in cpp/include/fastvec/detail from the installed NumPy.

NumPy's ziggurat tables were computed once, in double precision, by a program that is not published with
them; the published formulas give neighbours of some entries, not the entries. To draw the same numbers
bit for bit one needs the very numbers, so this reads them out of NumPy's own static library
(numpy/random/lib/libnpyrandom.a, an ELF archive: run it on Linux). They have not changed since NumPy 1.17.

    python tools/make_ziggurat_tables.py
"""

from __future__ import annotations

import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np

TABLES = {"wi_double": "d", "fi_double": "d", "ki_double": "Q", "we_double": "d", "fe_double": "d", "ke_double": "Q"}
FOLDER = Path(__file__).parent.parent / "cpp" / "include" / "fastvec" / "detail"


def read_tables() -> dict[str, tuple]:
    """The tables of 256 entries, by NumPy's names."""
    archive = Path(np.__file__).parent / "random" / "lib" / "libnpyrandom.a"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["ar", "x", str(archive)], cwd=folder, check=True)
        (member,) = Path(folder).glob("*distributions_distributions*.o")
        sections = subprocess.run(["readelf", "-SW", member], capture_output=True, text=True, check=True).stdout
        (rodata,) = (line for line in sections.splitlines() if " .rodata " in line)
        base = int(rodata.split("]")[1].split()[3], 16)
        symbols = subprocess.run(["readelf", "-sW", member], capture_output=True, text=True, check=True).stdout
        data = member.read_bytes()
        tables = {}
        for line in symbols.splitlines():
            fields = line.split()
            if len(fields) == 8 and fields[7] in TABLES:
                at = base + int(fields[1], 16)
                tables[fields[7]] = struct.unpack(f"<256{TABLES[fields[7]]}", data[at : at + 2048])
    return tables


def rows(values: list[str]) -> str:
    """Four entries a line."""
    return "\n".join("    " + ", ".join(values[i : i + 4]) + "," for i in range(0, len(values), 4))


def write(name: str, *, density: str, formula: str, bits: int, widths, heights, limits) -> None:
    """One header."""
    (FOLDER / f"{name.lower()}_tables.hpp").write_text(f"""\
// Made by tools/make_ziggurat_tables.py from NumPy's library; do not edit.
// The 256 layers of the ziggurat beneath the standard {density} density, as NumPy draws it.
// clang-format off
#pragma once

#include <cstdint>

namespace fastvec::detail {{

// Right edge of each layer, divided by 2**{bits}.
inline constexpr double k{name}Widths[256] = {{
{rows([float(x).hex() for x in widths])}
}};

// The density {formula} at each right edge.
inline constexpr double k{name}Heights[256] = {{
{rows([float(x).hex() for x in heights])}
}};

// Below this {bits}-bit draw a point lies within the layer for certain.
inline constexpr std::uint64_t k{name}Limits[256] = {{
{rows([f"{x}u" for x in limits])}
}};

}}  // namespace fastvec::detail
// clang-format on
""")


def main() -> None:
    tables = read_tables()
    write(
        "Normal",
        density="normal",
        formula="exp(-x * x / 2)",
        bits=52,
        widths=tables["wi_double"],
        heights=tables["fi_double"],
        limits=tables["ki_double"],
    )
    write(
        "Exponential",
        density="exponential",
        formula="exp(-x)",
        bits=53,
        widths=tables["we_double"],
        heights=tables["fe_double"],
        limits=tables["ke_double"],
    )


if __name__ == "__main__":
    main()
