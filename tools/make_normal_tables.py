"""Write cpp/include/fastvec/detail/normal_tables.hpp from the installed NumPy.

NumPy's ziggurat tables were computed once, in double precision, by a program that is not published with
them; the published formulas give neighbours of some entries, not the entries. To draw the same normals
bit for bit one needs the very numbers, so this reads them out of NumPy's own static library
(numpy/random/lib/libnpyrandom.a, an ELF archive: run it on Linux). They have not changed since NumPy 1.17.

    python tools/make_normal_tables.py
"""

from __future__ import annotations

import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np

TABLES = {"wi_double": "d", "fi_double": "d", "ki_double": "Q"}
OUTPUT = Path(__file__).parent.parent / "cpp" / "include" / "fastvec" / "detail" / "normal_tables.hpp"


def read_tables() -> dict[str, tuple]:
    """The three tables of 256 entries, by NumPy's names."""
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


def main() -> None:
    tables = read_tables()
    widths = rows([float(x).hex() for x in tables["wi_double"]])
    heights = rows([float(x).hex() for x in tables["fi_double"]])
    limits = rows([f"{x}u" for x in tables["ki_double"]])
    OUTPUT.write_text(f"""\
// Made by tools/make_normal_tables.py from NumPy's library; do not edit.
// The 256 layers of the ziggurat beneath the standard normal density, as NumPy draws it.
// clang-format off
#pragma once

#include <cstdint>

namespace fastvec::detail {{

// Right edge of each layer, divided by 2**52.
inline constexpr double kNormalWidths[256] = {{
{widths}
}};

// The density exp(-x * x / 2) at each right edge.
inline constexpr double kNormalHeights[256] = {{
{heights}
}};

// Below this 52-bit draw a point lies within the layer for certain.
inline constexpr std::uint64_t kNormalLimits[256] = {{
{limits}
}};

}}  // namespace fastvec::detail
// clang-format on
""")


if __name__ == "__main__":
    main()
