// The reset options `low` and `high` of Gymnasium's classic-control envs.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "fastvec/env.hpp"

namespace classic_control {

struct Bounds {
  double low, high;
};

// A number as Python writes it, with the fewest digits that tell it from all others.
inline std::string repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0.0 ? "-inf" : "inf";
  std::array<char, 32> text{};
  int precision = 0;
  do {
    std::snprintf(text.data(), text.size(), "%.*e", precision++, value);
  } while (std::strtod(text.data(), nullptr) != value);
  std::string number = text.data();
  const std::size_t at = number.find('e');
  const int exponent = std::atoi(number.c_str() + at + 1);
  if (exponent < -4 || exponent >= 16) return number;
  const int decimals = std::max(precision - 1 - exponent, 1);
  std::array<char, 64> plain{};
  std::snprintf(plain.data(), plain.size(), "%.*f", decimals, value);
  return plain.data();
}

inline constexpr std::array kBoundOptions{
    fastvec::Option{"low", "lower bound of the uniform start state"},
    fastvec::Option{"high", "upper bound of the uniform start state"},
};

inline Bounds read_bounds(const fastvec::Options& options, Bounds defaults) {
  return {options.get(0, defaults.low), options.get(1, defaults.high)};
}

// Refuses what Generator.uniform(low, high) refuses, with the same types of errors.
inline void check_range(double low, double high) {
  const std::string range = repr(low) + " to " + repr(high);
  if (!std::isfinite(high - low)) {
    throw fastvec::OutOfRange("expected a start range of finite width, got " + range);
  }
  if (high < low) throw fastvec::InvalidArgument("expected a start range that rises, got " + range);
}

inline void check_bounds(const fastvec::Options& options, Bounds defaults) {
  const Bounds bounds = read_bounds(options, defaults);
  if (bounds.low > bounds.high) {
    throw fastvec::InvalidArgument("Lower bound (" + repr(bounds.low) + ") must be lower than higher bound (" +
                                   repr(bounds.high) + ").");
  }
  check_range(bounds.low, bounds.high);
}

}  // namespace classic_control
