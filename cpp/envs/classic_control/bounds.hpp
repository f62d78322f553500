// The reset options `low` and `high` of Gymnasium's classic-control envs.
#pragma once

#include <array>
#include <cmath>
#include <string>

#include "fastvec/env.hpp"

namespace classic_control {

struct Bounds {
  double low, high;
};

inline constexpr std::array kBoundOptions{
    fastvec::Option{"low", "lower bound of the uniform start state"},
    fastvec::Option{"high", "upper bound of the uniform start state"},
};

inline Bounds read_bounds(const fastvec::Options& options, Bounds defaults) {
  return {options.get(0, defaults.low), options.get(1, defaults.high)};
}

// Refuses what Generator.uniform(low, high) refuses.
inline void check_range(double low, double high) {
  const std::string range = std::to_string(low) + " to " + std::to_string(high);
  if (!std::isfinite(high - low)) throw fastvec::InvalidArgument("expected a finite start range, got " + range);
  if (high < low) throw fastvec::InvalidArgument("expected a start range that rises, got " + range);
}

inline void check_bounds(const fastvec::Options& options, Bounds defaults) {
  const Bounds bounds = read_bounds(options, defaults);
  if (bounds.low > bounds.high) {
    throw fastvec::InvalidArgument("Lower bound (" + std::to_string(bounds.low) +
                                   ") must be lower than higher bound (" + std::to_string(bounds.high) + ").");
  }
  check_range(bounds.low, bounds.high);
}

}  // namespace classic_control
