// What NumPy's scalar operations compute, where that is not simply the C++ operator: `x ** 2`, `%`, clip,
// and the sine and cosine of float32 numbers.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace classic_control {

namespace detail {

// Read through volatile, so that no compiler replaces pow(x, 2) by x * x: pow is wrong in the last bit for
// about one x in a thousand, and NumPy calls it.
inline const volatile double kTwo = 2.0;
inline const volatile float kTwoFloat = 2.0f;

// A pow with an error below 0.52 ulp gives the rounded product, unless the exact square lies near the middle
// between two numbers: farther than this from the nearer one, in ulp. glibc's bound for the numbers that are
// tried here is 0.511 (measured over 4e7 of them: 0.508), and its powf stays below 0.502 at all floats.
inline constexpr double kCertain = 0.48;

}  // namespace detail

// The largest power of two that is not above x > 0.
inline double power_of_two_below(double x) {
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) & 0x7ff0000000000000u);
}

// A result, and whether it is sure to be NumPy's. Nothing branches on the way to it, so that compilers turn loops
// into vector instructions; what is not sure is computed again by the C library.
struct Guess {
  double value;
  bool certain;
};

// x ** 2 for a np.float64 scalar.
inline Guess guess_square(double x) {
  const double product = x * x;
  const double shifted = 134217729.0 * x;  // 2**27 + 1: splits x into halves whose products are exact
  const double high = shifted - (shifted - x);
  const double low = x - high;
  const double error = std::fabs(((high * high - product) + 2.0 * high * low) + low * low);
  const double power = power_of_two_below(product);
  return {product, static_cast<bool>((error < detail::kCertain * 0x1p-52 * power) & (product != power) &
                                     (product > 1e-16) & (product < 1e16))};
}

// x % y for y > 0, with the sign of y, as Python and NumPy define it: fmod, and y added to what is negative.
// Below 2**26 y the multiple to take off is exact in two halves, and so are the differences.
inline Guess guess_floor_mod(double x, double y) {
  constexpr double kRounder = 0x1.8p52;  // adding and taking it away rounds to an integer
  const double size = std::fabs(x);
  const double high = std::bit_cast<double>(std::bit_cast<std::uint64_t>(y) & ~std::uint64_t{0x7ffffff});
  const double count = (size * (1.0 / y) + kRounder) - kRounder;  // one too many at most
  const double rest = (size - count * high) - count * (y - high);
  const double positive = rest + (rest < 0.0 ? y : 0.0);
  const double added = positive != 0.0 ? y : 0.0;  // an addition behind a condition would keep the loop scalar
  return {(x < 0.0 ? -positive : positive) + (x < 0.0 ? added : 0.0), size < 0x1p26 * y};
}

// x ** 2 for a np.float64 scalar, and math.pow(x, 2).
inline double square(double x) {
  const Guess guess = guess_square(x);
  return guess.certain ? guess.value : std::pow(x, detail::kTwo);
}

// x ** 2 for a np.float32 scalar.
inline float square(float x) {
  const double exact = static_cast<double>(x) * static_cast<double>(x);
  const auto product = static_cast<float>(exact);
  const double value = static_cast<double>(product);
  const double power = power_of_two_below(value);
  const bool certain = (std::fabs(value - exact) < detail::kCertain * 0x1p-23 * power) & (value != power) &
                       (product > 1e-16f) & (product < 1e16f);
  return certain ? product : std::pow(x, static_cast<float>(detail::kTwoFloat));
}

inline double floor_mod(double x, double y) {
  const Guess guess = guess_floor_mod(x, y);
  if (guess.certain) return guess.value;
  const double rest = std::fmod(x, y);
  return rest == 0.0 ? 0.0 : (rest < 0.0 ? rest + y : rest);
}

// np.clip: a NaN stays.
template <class T>
T clip(T x, T low, T high) {
  x = low > x ? low : x;
  return high < x ? high : x;
}

// np.sin and np.cos of float32 numbers: not sinf and cosf, but polynomials after a reduction by multiples
// of pi/2 in three parts, in fused multiply-adds. Equal to NumPy 2.4 for every one of the 2**32 floats where
// NumPy uses its vector code (x86-64 with AVX2 and FMA or AVX-512; AArch64). A CPU without these makes NumPy call
// sinf and cosf, and there a value may differ in the last bit.
namespace detail {

struct Reduced {
  float rest;            // in about [-pi/4, pi/4]
  std::int32_t quarter;  // x = rest + quarter * pi/2
};

inline Reduced reduce_float32(float x) {
  constexpr float kTwoOverPi = 0x1.45f306p-1f;
  constexpr float kRounder = 0x1.8p23f;  // adding and taking it away rounds to an integer
  constexpr float kHalfPi[3] = {0x1.921fb0p+0f, 0x1.5110b4p-22f, 0x1.846988p-48f};
  const float quarters = std::fma(x, kTwoOverPi, kRounder) - kRounder;
  float rest = x;
  for (const float part : kHalfPi) rest = std::fma(quarters, -part, rest);
  return {rest, static_cast<std::int32_t>(quarters)};
}

inline float sin_or_cos_float32(float rest, std::int32_t quarter) {
  const float squared = rest * rest;
  float result;
  if ((quarter & 1) != 0) {
    result = std::fma(0x1.98e616p-16f, squared, -0x1.6c06dcp-10f);
    result = std::fma(result, squared, 0x1.55553cp-5f);
    result = std::fma(result, squared, -0.5f);
    result = std::fma(result, squared, 1.0f);
  } else {
    result = std::fma(0x1.7d3bbcp-19f, squared, -0x1.a06bbap-13f);
    result = std::fma(result, squared, 0x1.11119ap-7f);
    result = std::fma(result, squared, -0x1.555556p-3f);
    result = std::fma(result, squared, 0.0f);  // not a product: the sign of a zero
    result = std::fma(result, rest, rest);
  }
  return (quarter & 2) != 0 ? -result : result;
}

}  // namespace detail

inline float numpy_sin(float x) {
  if (!(std::fabs(x) <= 117435.992f)) return std::sin(x);
  const detail::Reduced reduced = detail::reduce_float32(x);
  return detail::sin_or_cos_float32(reduced.rest, reduced.quarter);
}

inline float numpy_cos(float x) {
  if (!(std::fabs(x) <= 71476.0625f)) return std::cos(x);
  const detail::Reduced reduced = detail::reduce_float32(x);
  return detail::sin_or_cos_float32(reduced.rest, reduced.quarter + 1);
}

}  // namespace classic_control
