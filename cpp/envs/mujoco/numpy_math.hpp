// What NumPy computes for sums, norms, centres of mass and clips, rounding for rounding.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

namespace mujoco_envs {

// How this machine's NumPy rounds a product that is added to a sum: twice, or once (a fused multiply-add). It depends
// on the BLAS that NumPy was built with and on the CPU, so Python finds out (python/fastvec/mujoco/rounding.py).
struct Rounding {
  bool fused_dot = false;     // np.dot of two short float64 vectors, thus np.linalg.norm
  bool fused_einsum = false;  // np.einsum("b,bj->j")
};

inline double add_product(double sum, double a, double b, bool fused) {
  return fused ? std::fma(a, b, sum) : sum + a * b;
}

// np.sum over `count` elements, `at(first)`...: in order below 8 of them, in 8 interleaved partial sums up to 128, and
// by halves beyond.
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

template <class T>
std::remove_const_t<T> sum(std::span<T> values) {
  return pairwise_sum<std::remove_const_t<T>>([values](std::size_t i) { return values[i]; }, 0, values.size());
}

// np.sum(np.square(values))
template <class T>
std::remove_const_t<T> sum_of_squares(std::span<T> values) {
  return pairwise_sum<std::remove_const_t<T>>([values](std::size_t i) { return values[i] * values[i]; }, 0,
                                              values.size());
}

// np.clip: a NaN stays.
inline double clip(double x, double low, double high) {
  x = low > x ? low : x;
  return high < x ? high : x;
}

// np.linalg.norm of a float64 vector: the root of its dot product with itself.
inline double norm(std::span<const double> values, const Rounding& rounding) {
  double sum = 0.0;
  for (const double value : values) sum = add_product(sum, value, value, rounding.fused_dot);
  return std::sqrt(sum);
}

// x ** 2 of a np.float64 scalar is pow(x, 2), which is not always x * x. The exponent is read through volatile, so
// that no compiler makes it a product.
inline double squared(double x) {
  static const volatile double kTwo = 2.0;
  return std::pow(x, kTwo);
}

}  // namespace mujoco_envs
