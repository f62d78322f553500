// Looking for flags: arrays of one byte per env, 0 or 1, where long runs are alike.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace fastvec::detail {

// The first of [from, last) whose flag is set; `last` if there is none. Eight flags are looked at together: a
// branch per flag costs as much as a small env's step.
inline std::int64_t next_set(const std::uint8_t* flags, std::int64_t from, std::int64_t last) {
  if constexpr (std::endian::native == std::endian::little) {
    for (; from + 8 <= last; from += 8) {
      std::uint64_t word;
      std::memcpy(&word, flags + from, sizeof word);
      if (word != 0) return from + std::countr_zero(word) / 8;
    }
  }
  while (from < last && flags[from] == 0) ++from;
  return from;
}

// The first of [from, last) whose flag is not set; `last` if there is none.
inline std::int64_t next_clear(const std::uint8_t* flags, std::int64_t from, std::int64_t last) {
  constexpr std::uint64_t kAllSet = 0x0101010101010101u;
  if constexpr (std::endian::native == std::endian::little) {
    for (; from + 8 <= last; from += 8) {
      std::uint64_t word;
      std::memcpy(&word, flags + from, sizeof word);
      if (word != kAllSet) return from + std::countr_zero(word ^ kAllSet) / 8;
    }
  }
  while (from < last && flags[from] != 0) ++from;
  return from;
}

}  // namespace fastvec::detail
