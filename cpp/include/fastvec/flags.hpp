// fastvec/flags.hpp: the next flag that is set, or not set, in an array of one byte per env.
//
//   for (std::int64_t i = next_set(ended, 0, n); i < n; i = next_set(ended, i + 1, n)) { ... }
//
// Flags are std::uint8_t, 0 or 1 and nothing else: `terminated`, `truncated`, masks. Where long runs of them are alike,
// as such arrays mostly are, a search looks at eight flags at a time; a branch per flag would cost as much as a small
// env's step.
//
// Both functions read flags[from] to flags[last - 1], and no more; they need 0 <= from <= last. They keep nothing and
// throw nothing: any number of threads may search one array while nobody writes to it.
#pragma once

#include "fastvec/detail/require_cxx20.hpp"  // before all else

#include <bit>
#include <cstdint>
#include <cstring>

namespace fastvec {

// The first index of [from, last) whose flag is 1; `last` if there is none.
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

// The first index of [from, last) whose flag is 0; `last` if there is none.
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

}  // namespace fastvec
