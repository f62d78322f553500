// fastvec/normal.hpp: standard normals, draw for draw those of numpy.random.Generator.standard_normal.
//
// Source: Marsaglia and Tsang, "The Ziggurat Method for Generating Random Variables" (2000), with 256
// layers and NumPy's tables. log1p and exp are the C library's, as in NumPy; compile with -ffp-contract=off (as
// fastvec_add_plugin does), or fused operations change bits.
//
// One 64-bit draw gives a number in 99 of 100 calls, without a function of the C library; more are drawn else. How many
// depends on what comes, so the draws after a normal are those after NumPy's normal only if both draw in one order.
// No argument, no error, no memory.
#pragma once

#include "fastvec/detail/require_cxx20.hpp"  // before all else

#include <cmath>
#include <cstdint>

#include "fastvec/detail/normal_tables.hpp"
#include "fastvec/rng.hpp"

namespace fastvec {

// Generator.standard_normal(): mean 0, standard deviation 1, any finite number.
inline double Rng::standard_normal() {
  constexpr double kTail = 3.6541528853610087963519472518;  // where the unbounded bottom layer begins
  constexpr double kInverseTail = 0.27366123732975827203338247596;
  for (;;) {
    std::uint64_t bits = next_uint64();
    const auto layer = static_cast<std::size_t>(bits & 0xff);
    bits >>= 8;
    const bool negative = (bits & 1) != 0;
    const std::uint64_t magnitude = (bits >> 1) & 0x000fffffffffffffull;
    const double distance = static_cast<double>(magnitude) * detail::kNormalWidths[layer];
    const double x = negative ? -distance : distance;
    if (magnitude < detail::kNormalLimits[layer]) return x;
    if (layer == 0) {
      for (;;) {
        const double beyond = -kInverseTail * std::log1p(-random());
        const double height = -std::log1p(-random());
        if (height + height > beyond * beyond) {
          return ((magnitude >> 8) & 1) != 0 ? -(kTail + beyond) : kTail + beyond;
        }
      }
    }
    const double top = detail::kNormalHeights[layer - 1];
    const double bottom = detail::kNormalHeights[layer];
    if ((top - bottom) * random() + bottom < std::exp(-0.5 * x * x)) return x;
  }
}

}  // namespace fastvec
