"""Write golden_rng.hpp: what NumPy's own generator gives, for test_rng.cpp to compare with.

python tests/cpp/make_golden_rng.py && clang-format -i tests/cpp/golden_rng.hpp
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

SEEDS = [0, 1, 42, 2**32 - 1, 2**32, 2**64 - 1, 2**64 + 12345, 2**97 + 2**33, 2**128 - 1]
RANGES = [(0, 1), (0, 2), (0, 3), (-5, 5), (0, 6), (1, 101), (0, 2**31), (0, 2**32 - 1), (0, 2**32), (0, 2**32 + 1),
          (-(2**40), 2**40), (0, 3 * 2**61), (-(2**63), 2**63 - 1)]  # fmt: skip
MASK = 2**64 - 1


def checksum(words: list[int]) -> int:
    """FNV-1a over 64-bit words."""
    total = 0xCBF29CE484222325
    for word in words:
        total = (total ^ (word & MASK)) * 0x100000001B3 & MASK
    return total


def bits(value: float) -> int:
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def words_of(seed: int) -> list[int]:
    return [seed >> (32 * i) & 0xFFFFFFFF for i in range(4)]


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))


def state_words(rng: np.random.Generator) -> list[int]:
    state = rng.bit_generator.state
    numbers = state["state"]["state"], state["state"]["inc"]
    return [part for number in numbers for part in (number >> 64, number & MASK)]


def hexadecimal(words: list[int]) -> str:
    return ", ".join(f"{word:#x}u" for word in words)


def main() -> None:
    lines = [
        f"// Written by make_golden_rng.py with NumPy {np.__version__}. Do not edit.",
        "#pragma once",
        "",
        "#include <cstdint>",
        "",
        "namespace golden {",
        "",
        "struct Seeding {",
        "  std::uint32_t seed[4];   // 32-bit words, low first",
        "  std::uint64_t state[4];  // state high, low, increment high, low",
        "  std::uint64_t random, uniform, integers, normal;  // checksums of 1,000 draws each, one after the other",
        "};",
        "",
        "inline constexpr std::int64_t kRanges[][2] = {",
    ]
    for low, high in RANGES:
        low_text = "INT64_MIN" if low == -(2**63) else str(low)
        lines.append(f"    {{{low_text}, {high}}},")
    lines += ["};", "", "inline constexpr Seeding kSeedings[] = {"]
    for seed in SEEDS:
        rng = generator(seed)
        state = state_words(rng)
        random = checksum([bits(rng.random()) for _ in range(1000)])
        uniform = checksum([bits(rng.uniform(-0.05, 0.05)) for _ in range(1000)])
        integers = checksum([int(rng.integers(*RANGES[i % len(RANGES)])) for i in range(1000)])
        normal = checksum([bits(rng.standard_normal()) for _ in range(1000)])
        lines.append(f"    {{{{{hexadecimal(words_of(seed))}}},")
        lines.append(f"     {{{hexadecimal(state)}}},")
        lines.append(f"     {random:#x}u, {uniform:#x}u, {integers:#x}u, {normal:#x}u}},")
    rng = generator(2024)
    normals = checksum([bits(value) for value in rng.standard_normal(100_000).tolist()])
    last = state_words(rng)
    rng = generator(7)
    first = [bits(rng.normal(1.5, 0.25)) for _ in range(4)]
    lines += [
        "};",
        "",
        "// 100,000 standard normals of seed 2024, and the state after them: the tail of the distribution included.",
        f"inline constexpr std::uint64_t kManyNormals = {normals:#x}u;",
        f"inline constexpr std::uint64_t kStateAfterNormals[4] = {{{hexadecimal(last)}}};",
        "// normal(1.5, 0.25) of seed 7, as bits.",
        f"inline constexpr std::uint64_t kFirstNormals[4] = {{{hexadecimal(first)}}};",
        "",
        "}  // namespace golden",
        "",
    ]
    Path(__file__).with_name("golden_rng.hpp").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
