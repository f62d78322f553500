// fastvec/distributions.hpp: exponential, gamma, Poisson, binomial and geometric numbers, draw for draw those of
// numpy.random.Generator.
//
// Each function gives one number and takes no memory. Like all of Rng they draw from one env's generator, on one
// thread; how many 64-bit draws a number takes depends on what comes.
//
// Arguments that NumPy refuses with a ValueError throw std::invalid_argument, before anything is drawn. exp, log,
// log1p, pow and sqrt are the C library's, as in NumPy; compile with -ffp-contract=off (as fastvec_add_plugin does), or
// fused operations change bits.
//
// Sources, in the order of the functions: Marsaglia and Tsang, "The Ziggurat Method for Generating Random Variables"
// (2000); Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables" (2000), and for shapes below 1 Ahrens
// and Dieter, "Computer Methods for Sampling from Gamma, Beta, Poisson and Binomial Distributions" (1974); Hoermann,
// "The Transformed Rejection Method for Generating Poisson Random Variables" (1993); Kachitvichyanukul and Schmeiser,
// "Binomial Random Variate Generation" (1988). Which of them NumPy takes for which arguments, and in which order it
// draws, was found from what it returns: tests/python/sdk/test_rng.py compares.
#pragma once

#include "fastvec/detail/require_cxx20.hpp"  // before all else

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include "fastvec/detail/exponential_tables.hpp"
#include "fastvec/normal.hpp"
#include "fastvec/rng.hpp"

namespace fastvec {

namespace detail {

[[noreturn]] inline void refuse_argument(const char* what, double got) {
  throw std::invalid_argument(std::string(what) + ", got " + std::to_string(got));
}

inline void expect_scale(const char* what, double value) {
  if (std::signbit(value) && !std::isnan(value)) refuse_argument(what, value);  // NumPy refuses -0.0 as well
}

// log(Gamma(x)) by Stirling's series, for the Poisson quotient: its rounding decides, so the C library's will not do.
inline double stirling_log_gamma(double x) {
  constexpr double kSeries[10] = {8.333333333333333e-02,  -2.777777777777778e-03, 7.936507936507937e-04,
                                  -5.952380952380952e-04, 8.417508417508418e-04,  -1.917526917526918e-03,
                                  6.410256410256410e-03,  -2.955065359477124e-02, 1.796443723688307e-01,
                                  -1.39243221690590e+00};
  constexpr double kLogTwoPi = 1.8378770664093453;
  if (x == 1.0 || x == 2.0) return 0.0;
  const std::int64_t raised = x < 7.0 ? static_cast<std::int64_t>(7 - x) : 0;  // the series wants x >= 7
  double at = x + static_cast<double>(raised);
  const double square = (1.0 / at) * (1.0 / at);
  double sum = kSeries[9];
  for (int k = 8; k >= 0; --k) sum = sum * square + kSeries[k];
  double result = sum / at + 0.5 * kLogTwoPi + (at - 0.5) * std::log(at) - at;
  for (std::int64_t k = 0; k < raised; ++k) {
    result -= std::log(at - 1.0);
    at -= 1.0;
  }
  return result;
}

// Small means: as many uniforms as their product takes to fall below exp(-mean).
inline std::int64_t poisson_by_product(Rng& rng, double mean) {
  const double limit = std::exp(-mean);
  double product = rng.random();
  std::int64_t count = 0;
  for (; product > limit; product *= rng.random()) ++count;
  return count;
}

// Hoermann's PTRS.
inline std::int64_t poisson_by_rejection(Rng& rng, double mean) {
  const double log_mean = std::log(mean);
  const double b = 0.931 + 2.53 * std::sqrt(mean);
  const double a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  const double squeeze = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = rng.random() - 0.5;
    const double v = rng.random();
    const double distance = 0.5 - std::fabs(u);
    const double k = std::floor((2 * a / distance + b) * u + mean + 0.43);
    if (distance >= 0.07 && v <= squeeze) return static_cast<std::int64_t>(k);
    if (!(k >= 0.0 && k < 0x1p63) || (distance < 0.013 && v > distance)) continue;
    if (std::log(v) + std::log(inverse_alpha) - std::log(a / (distance * distance) + b) <=
        -mean + k * log_mean - stirling_log_gamma(k + 1)) {
      return static_cast<std::int64_t>(k);
    }
  }
}

// Few successes expected: the distribution function summed from 0. p <= 0.5.
inline std::int64_t binomial_by_inversion(Rng& rng, std::int64_t n, double p) {
  const double q = 1.0 - p;
  const auto trials = static_cast<double>(n);
  const double none = std::exp(trials * std::log1p(-p));
  const double mean = trials * p;
  const auto bound = static_cast<std::int64_t>(std::min(trials, mean + 10.0 * std::sqrt(mean * q + 1)));
  std::int64_t count = 0;
  double probability = none;
  double u = rng.random();
  while (u > probability) {
    ++count;
    if (count > bound) {  // rounding left nothing to sum: again
      count = 0;
      probability = none;
      u = rng.random();
    } else {
      u -= probability;
      probability = (static_cast<double>(n - count + 1) * p * probability) / (static_cast<double>(count) * q);
    }
  }
  return count;
}

// Kachitvichyanukul and Schmeiser's BTPE: beneath a triangle, two parallelograms and two exponential tails. p <= 0.5.
inline std::int64_t binomial_by_rejection(Rng& rng, std::int64_t n, double p) {
  const auto trials = static_cast<double>(n);
  const double r = p, q = 1.0 - r;
  const double peak = trials * r + r;
  const auto mode = static_cast<std::int64_t>(std::floor(peak));
  const auto middle_count = static_cast<double>(mode);
  const double variance = trials * r * q;
  const double p1 = std::floor(2.195 * std::sqrt(variance) - 4.6 * q) + 0.5;
  const double middle = middle_count + 0.5;
  const double left = middle - p1, right = middle + p1;
  const double c = 0.134 + 20.5 / (15.3 + middle_count);
  const auto rate = [](double slope) { return slope * (1.0 + slope / 2.0); };
  const double left_rate = rate((peak - left) / (peak - left * r));
  const double right_rate = rate((right - peak) / (right * q));
  const double p2 = p1 * (1.0 + 2.0 * c);
  const double p3 = p2 + c / left_rate;
  const double p4 = p3 + c / right_rate;

  for (;;) {
    const double u = rng.random() * p4;
    double v = rng.random();
    std::int64_t y;
    if (u <= p1) return static_cast<std::int64_t>(std::floor(middle - p1 * v + u));
    if (u <= p2) {
      const double x = left + (u - p1) / c;
      v = v * c + 1.0 - std::fabs(middle_count - x + 0.5) / p1;
      if (v > 1.0) continue;
      y = static_cast<std::int64_t>(std::floor(x));
    } else if (u <= p3) {
      if (v == 0.0) continue;
      y = static_cast<std::int64_t>(std::floor(left + std::log(v) / left_rate));
      if (y < 0) continue;
      v = v * (u - p2) * left_rate;
    } else {
      if (v == 0.0) continue;
      y = static_cast<std::int64_t>(std::floor(right - std::log(v) / right_rate));
      if (y > n) continue;
      v = v * (u - p3) * right_rate;
    }

    const std::int64_t k = std::abs(y - mode);
    const auto distance = static_cast<double>(k);
    if (k <= 20 || distance >= variance / 2.0 - 1) {  // the ratio to the mode's probability, factor by factor
      const double s = r / q;
      const double a = s * (trials + 1);
      double ratio = 1.0;
      for (std::int64_t i = mode + 1; i <= y; ++i) ratio *= a / static_cast<double>(i) - s;
      for (std::int64_t i = y + 1; i <= mode; ++i) ratio /= a / static_cast<double>(i) - s;
      if (v <= ratio) return y;
      continue;
    }
    const double rho =
        (distance / variance) * ((distance * (distance / 3.0 + 0.625) + 0.16666666666666666) / variance + 0.5);
    const std::uint64_t square = static_cast<std::uint64_t>(k) * static_cast<std::uint64_t>(k);  // wraps, as NumPy's
    const double t = static_cast<double>(static_cast<std::int64_t>(0 - square)) / (2 * variance);
    const double log_v = std::log(v);
    const auto value = static_cast<double>(y);
    if (log_v < t - rho) return y;
    if (log_v > t + rho) continue;
    const double x1 = value + 1, f1 = middle_count + 1;
    const double z = trials + 1 - middle_count, w = trials - value + 1;  // rounded so, where n is above 2**53
    const auto correction = [](double x) {
      const double x2 = x * x;
      return (13680. - (462. - (132. - (99. - 140. / x2) / x2) / x2) / x2) / x / 166320.;
    };
    if (log_v <= middle * std::log(f1 / x1) + (trials - middle_count + 0.5) * std::log(z / w) +
                     (value - middle_count) * std::log(w * r / (x1 * q)) + correction(f1) + correction(z) +
                     correction(x1) + correction(w)) {
      return y;
    }
  }
}

}  // namespace detail

// Generator.standard_exponential(): mean 1, >= 0.
inline double Rng::standard_exponential() {
  constexpr double kTail = 7.69711747013104972;  // where the unbounded bottom layer begins
  for (;;) {
    std::uint64_t bits = next_uint64() >> 3;
    const auto layer = static_cast<std::size_t>(bits & 0xff);
    bits >>= 8;
    const double x = static_cast<double>(bits) * detail::kExponentialWidths[layer];
    if (bits < detail::kExponentialLimits[layer]) return x;
    if (layer == 0) return kTail - std::log1p(-random());
    const double top = detail::kExponentialHeights[layer - 1];
    const double bottom = detail::kExponentialHeights[layer];
    if ((top - bottom) * random() + bottom < std::exp(-x)) return x;
  }
}

// Generator.exponential(scale): mean `scale` (one over the rate), which is not negative.
inline double Rng::exponential(double scale) {
  detail::expect_scale("exponential: expected scale >= 0", scale);
  return scale * standard_exponential();
}

// Generator.standard_gamma(shape): mean `shape`, which is finite and not negative.
inline double Rng::standard_gamma(double shape) {
  detail::expect_scale("gamma: expected shape >= 0", shape);
  if (!std::isfinite(shape)) detail::refuse_argument("gamma: expected a finite shape", shape);
  if (shape == 0.0) return 0.0;
  if (shape == 1.0) return standard_exponential();
  if (shape < 1.0) {
    for (;;) {
      const double u = random();
      const double v = standard_exponential();
      if (u <= 1.0 - shape) {
        const double x = std::pow(u, 1.0 / shape);
        if (x <= v) return x;
      } else {
        const double y = -std::log((1 - u) / shape);
        const double x = std::pow(1.0 - shape + shape * y, 1.0 / shape);
        if (x <= v + y) return x;
      }
    }
  }
  const double b = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9 * b);
  for (;;) {
    double x, v;
    do {
      x = standard_normal();
      v = 1.0 + c * x;
    } while (v <= 0.0);
    v = v * v * v;
    const double u = random();
    if (u < 1.0 - 0.0331 * (x * x) * (x * x)) return b * v;
    if (std::log(u) < 0.5 * x * x + b * (1.0 - v + std::log(v))) return b * v;
  }
}

// Generator.gamma(shape, scale): mean shape * scale; neither is negative.
inline double Rng::gamma(double shape, double scale) {
  detail::expect_scale("gamma: expected scale >= 0", scale);
  return scale * standard_gamma(shape);
}

// Generator.poisson(mean): events in a time that has `mean` of them on average, from 0 to about 9.2e18.
inline std::int64_t Rng::poisson(double mean) {
  constexpr double kMost = 9223372006484771000.0;  // ten standard deviations below the largest int64
  if (!(mean >= 0.0 && mean <= kMost)) detail::refuse_argument("poisson: expected a mean from 0 to 9.2e18", mean);
  if (mean >= 10) return detail::poisson_by_rejection(*this, mean);
  return mean == 0 ? 0 : detail::poisson_by_product(*this, mean);
}

// Generator.binomial(n, p): successes of n >= 0 trials, each with the probability p of [0, 1].
inline std::int64_t Rng::binomial(std::int64_t n, double p) {
  if (n < 0) detail::refuse_argument("binomial: expected n >= 0", static_cast<double>(n));
  if (!(p >= 0.0 && p <= 1.0)) detail::refuse_argument("binomial: expected p from 0 to 1", p);
  if (n == 0 || p == 0.0) return 0;
  const double smaller = p <= 0.5 ? p : 1.0 - p;
  const std::int64_t count = smaller * static_cast<double>(n) <= 30.0
                                 ? detail::binomial_by_inversion(*this, n, smaller)
                                 : detail::binomial_by_rejection(*this, n, smaller);
  return p <= 0.5 ? count : n - count;
}

// Generator.geometric(p): trials until the first success, that one among them, so 1 or more; 0 < p <= 1. What would not
// fit is the largest int64.
inline std::int64_t Rng::geometric(double p) {
  if (!(p > 0.0 && p <= 1.0)) detail::refuse_argument("geometric: expected 0 < p <= 1", p);
  if (p >= 1.0 / 3.0) {
    std::int64_t count = 1;
    double probability = p, sum = p;
    const double u = random();
    while (u > sum) {
      probability *= 1.0 - p;
      sum += probability;
      ++count;
    }
    return count;
  }
  const double count = std::ceil(-standard_exponential() / std::log1p(-p));
  constexpr double kBeyond = 9223372036854775808.0;  // the first double above every int64
  return count >= kBeyond ? std::numeric_limits<std::int64_t>::max() : static_cast<std::int64_t>(count);
}

}  // namespace fastvec
