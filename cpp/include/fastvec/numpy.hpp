// fastvec/numpy.hpp: what NumPy computes, bit for bit, where that is not simply the C++ operator.
//
// For an env that gives the numbers of one written in Python. With `namespace numpy = fastvec::numpy;`, each function
// gives the bits that NumPy 2.4 gives for
//
//   numpy::square(x)                    x ** 2 of a np.float64 or np.float32 scalar, and math.pow(x, 2)
//   numpy::floor_mod(x, y)              x % y of float64, for y > 0
//   numpy::clip(x, low, high)           np.clip(x, low, high)
//   numpy::sin(x), numpy::cos(x)        np.sin(x), np.cos(x) of float32 and of float64
//   numpy::sum(values)                  values.sum() of a contiguous float32 or float64 array
//   numpy::sum_of_squares(values)       np.sum(np.square(values)) likewise
//   numpy::norm(values, rounding)       np.linalg.norm(values) of a float64 vector
//
// + - * / and std::sqrt are NumPy's already. What is not named here (np.exp, np.log, np.tan...) was not compared.
// All of it holds in a library that is compiled with -ffp-contract=off and without -ffast-math, as fastvec_add_plugin
// does: a fused operation changes bits.
//
// The functions keep nothing, take no memory and throw nothing; any number of threads may call them. They compile to
// kernels as well (kernel.hpp), where the device's pow, sin and cos of float64 may differ in the last bit.
//
// numpy_scalar.hpp has the numbers whose type changes on the way.
#pragma once

#include "fastvec/detail/require_cxx20.hpp"  // before all else

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace fastvec::numpy {

namespace detail {

// Read through volatile, so that no compiler replaces pow(x, 2) by x * x: pow is wrong in the last bit for
// about one x in a thousand, and NumPy calls it.
inline const volatile double kTwo = 2.0;
inline const volatile float kTwoFloat = 2.0f;

// A pow with an error below 0.52 ulp gives the rounded product, unless the exact square lies near the middle
// between two numbers: farther than this from the nearer one, in ulp. glibc's bound for the numbers that are
// tried here is 0.511 (measured over 4e7 of them: 0.508), and its powf stays below 0.502 at all floats.
inline constexpr double kExactBelow = 0.48;

}  // namespace detail

// -- Powers, remainders, clips ----------------------------------------------------------------------------------

// The largest power of two that is not above x, for a finite x > 0 that is not subnormal.
inline double power_of_two_below(double x) {
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) & 0x7ff0000000000000u);
}

// A result, and whether it is sure to be NumPy's: for loops over many envs (range.hpp). Nothing branches on the way to
// a Candidate, so that compilers turn such loops into vector instructions; where `exact` is false, call the function
// without `_candidate`, which asks the C library.
struct Candidate {
  double value;
  bool exact;
};

// A candidate for x ** 2 of a np.float64 scalar.
inline Candidate square_candidate(double x) {
  const double product = x * x;
  const double shifted = 134217729.0 * x;  // 2**27 + 1: splits x into halves whose products are exact
  const double high = shifted - (shifted - x);
  const double low = x - high;
  const double error = std::fabs(((high * high - product) + 2.0 * high * low) + low * low);
  const double power = power_of_two_below(product);
  return {product, static_cast<bool>((error < detail::kExactBelow * 0x1p-52 * power) & (product != power) &
                                     (product > 1e-16) & (product < 1e16))};
}

// A candidate for x % y, y > 0: fmod, and y added to what is negative. Below 2**26 y the multiple to take off is exact
// in two halves, and so are the differences.
inline Candidate floor_mod_candidate(double x, double y) {
  constexpr double kRounder = 0x1.8p52;  // adding and taking it away rounds to an integer
  const double size = std::fabs(x);
  const double high = std::bit_cast<double>(std::bit_cast<std::uint64_t>(y) & ~std::uint64_t{0x7ffffff});
  const double count = (size * (1.0 / y) + kRounder) - kRounder;  // one too many at most
  const double rest = (size - count * high) - count * (y - high);
  const double positive = rest + (rest < 0.0 ? y : 0.0);
  const double added = positive != 0.0 ? y : 0.0;  // an addition behind a condition would keep the loop scalar
  return {(x < 0.0 ? -positive : positive) + (x < 0.0 ? added : 0.0), size < 0x1p26 * y};
}

// x ** 2 of a np.float64 scalar, and math.pow(x, 2): pow(x, 2), which is not always x * x.
inline double square(double x) {
  const Candidate candidate = square_candidate(x);
  return candidate.exact ? candidate.value : std::pow(x, detail::kTwo);
}

// x ** 2 of a np.float32 scalar.
inline float square(float x) {
  const double unrounded = static_cast<double>(x) * static_cast<double>(x);
  const auto product = static_cast<float>(unrounded);
  const double value = static_cast<double>(product);
  const double power = power_of_two_below(value);
  const bool exact = (std::fabs(value - unrounded) < detail::kExactBelow * 0x1p-23 * power) & (value != power) &
                     (product > 1e-16f) & (product < 1e16f);
  return exact ? product : std::pow(x, static_cast<float>(detail::kTwoFloat));
}

// x % y of float64, for y > 0, with the sign of y, as Python and NumPy define it. NaN for a NaN and for an infinite x.
inline double floor_mod(double x, double y) {
  const Candidate candidate = floor_mod_candidate(x, y);
  if (candidate.exact) return candidate.value;
  const double rest = std::fmod(x, y);
  return rest == 0.0 ? 0.0 : (rest < 0.0 ? rest + y : rest);
}

// np.clip(x, low, high): a NaN stays, and where low > high it is high.
template <class T>
T clip(T x, T low, T high) {
  x = low > x ? low : x;
  return high < x ? high : x;
}

// -- Sine and cosine, in radians --------------------------------------------------------------------------------

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

// np.sin and np.cos of float32 numbers: not sinf and cosf, but polynomials after a reduction by multiples
// of pi/2 in three parts, in fused multiply-adds. Equal to NumPy 2.4 for every one of the 2**32 floats where
// NumPy uses its vector code (x86-64 with AVX2 and FMA or AVX-512; AArch64). A CPU without these makes NumPy call
// sinf and cosf, and there a value may differ in the last bit.
inline float sin(float x) {
  if (!(std::fabs(x) <= 117435.992f)) return std::sin(x);
  const detail::Reduced reduced = detail::reduce_float32(x);
  return detail::sin_or_cos_float32(reduced.rest, reduced.quarter);
}

inline float cos(float x) {
  if (!(std::fabs(x) <= 71476.0625f)) return std::cos(x);
  const detail::Reduced reduced = detail::reduce_float32(x);
  return detail::sin_or_cos_float32(reduced.rest, reduced.quarter + 1);
}

// np.sin and np.cos of float64 numbers: the C library's (no difference in 1,000,000 numbers of each range).
inline double sin(double x) { return std::sin(x); }
inline double cos(double x) { return std::cos(x); }

// -- Sums -------------------------------------------------------------------------------------------------------

// np.sum over `count` elements, `at(first)`...: in order below 8 of them, in 8 interleaved partial sums up to 128, and
// by halves beyond. `T` is float or double, the type that is summed in.
template <class T, class At>
T pairwise_sum(const At& at, std::size_t first, std::size_t count) {
  if (count < 8) {
    T sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += at(first + i);
    return sum;
  }
  if (count <= 128) {
    T part[8];
    for (std::size_t k = 0; k < 8; ++k) part[k] = at(first + k);
    std::size_t i = 8;
    for (; i + 8 <= count; i += 8) {
      for (std::size_t k = 0; k < 8; ++k) part[k] += at(first + i + k);
    }
    T sum = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
    for (; i < count; ++i) sum += at(first + i);
    return sum;
  }
  std::size_t half = count / 2;
  half -= half % 8;
  const T left = pairwise_sum<T>(at, first, half);
  return left + pairwise_sum<T>(at, first + half, count - half);
}

// values.sum() of a contiguous array; 0 for none.
template <class T>
std::remove_const_t<T> sum(std::span<T> values) {
  return pairwise_sum<std::remove_const_t<T>>([values](std::size_t i) { return values[i]; }, 0, values.size());
}

// np.sum(np.square(values)); 0 for none.
template <class T>
std::remove_const_t<T> sum_of_squares(std::span<T> values) {
  return pairwise_sum<std::remove_const_t<T>>([values](std::size_t i) { return values[i] * values[i]; }, 0,
                                              values.size());
}

// How a machine's NumPy rounds a product that is added to a sum: twice, or once (a fused multiply-add). It depends on
// the BLAS that NumPy was built with and on the CPU, so a library cannot know: compare with NumPy in Python and pass
// what comes of it as a keyword argument, as python/fastvec/envs/mujoco/rounding.py does.
struct Rounding {
  bool fused_dot = false;     // np.dot of two short float64 vectors, thus np.linalg.norm
  bool fused_einsum = false;  // np.einsum("b,bj->j")
};

// sum + a * b, rounded twice or once.
inline double add_product(double sum, double a, double b, bool fused) {
  return fused ? std::fma(a, b, sum) : sum + a * b;
}

// np.linalg.norm of a float64 vector: the root of its dot product with itself. For vectors of a few elements, which
// BLAS sums in order.
inline double norm(std::span<const double> values, const Rounding& rounding) {
  double sum = 0.0;
  for (const double value : values) sum = add_product(sum, value, value, rounding.fused_dot);
  return std::sqrt(sum);
}

}  // namespace fastvec::numpy
