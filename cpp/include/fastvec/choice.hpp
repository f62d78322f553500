// fastvec/choice.hpp: shuffles, permutations and choices, draw for draw those of numpy.random.Generator.
//
// They give numbers, from 0 on, which index whatever is chosen from; write `out` into an array of the env, or a
// std::array: `std::array<std::int64_t, 5> hand; rng.choice(52, hand, {.replace = false});`.
//
// Draws are from one env's generator, on one thread. Heap memory is taken, and given back, by two of them alone:
// more than 64 numbers without replacement, and several with probabilities.
// Arguments that NumPy refuses with a ValueError throw std::invalid_argument, before anything is drawn; `out` is then
// as it was.
#pragma once

#include "fastvec/detail/require_cxx20.hpp"  // before all else

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "fastvec/rng.hpp"

namespace fastvec {

namespace detail {

inline void expect_probabilities(std::span<const double> probabilities) {
  constexpr double kTolerance = 1.4901161193847656e-08;  // NumPy's: the root of the epsilon of double
  if (probabilities.empty()) throw std::invalid_argument("choice: expected at least one probability, got none");
  double sum = 0.0, lost = 0.0;  // compensated, so that many small ones do not fail the test
  for (const double probability : probabilities) {
    if (!(probability >= 0.0)) {
      throw std::invalid_argument("choice: expected probabilities >= 0, got " + std::to_string(probability));
    }
    const double add = probability - lost;
    const double next = sum + add;
    lost = (next - sum) - add;
    sum = next;
  }
  if (!(std::fabs(sum - 1.0) <= kTolerance)) {
    throw std::invalid_argument("choice: expected probabilities with the sum 1, got " + std::to_string(sum));
  }
}

// The distribution function of `probabilities`, rounded as NumPy's cumsum and division round it.
inline void sum_up(std::span<const double> probabilities, std::vector<double>& distribution) {
  distribution.resize(probabilities.size());
  double total = 0.0;
  for (std::size_t i = 0; i < probabilities.size(); ++i) distribution[i] = total += probabilities[i];
  for (double& value : distribution) value /= total;
}

inline std::int64_t find(const std::vector<double>& distribution, double u) {
  return std::upper_bound(distribution.begin(), distribution.end(), u) - distribution.begin();
}

// Uniform in [0, largest], by rejection of what lies above in the bits that `largest` has: how NumPy's shuffle draws,
// and nothing else of it.
inline std::uint64_t masked(Rng& rng, std::uint64_t largest) {
  const std::uint64_t mask = std::bit_ceil(largest + 1) - 1;
  for (;;) {
    const std::uint64_t bits = mask <= 0xffffffffu ? rng.next_uint32() : rng.next_uint64();
    if ((bits & mask) <= largest) return bits & mask;
  }
}

// The shuffle of NumPy's choice: Fisher and Yates's, down to `first`, with the draws of `integers`.
inline void swap_down(Rng& rng, std::span<std::int64_t> values, std::size_t first) {
  for (std::size_t i = values.size(); i-- > first;) {
    std::swap(values[i], values[static_cast<std::size_t>(rng.integers(0, static_cast<std::int64_t>(i) + 1))]);
  }
}

// The numbers that were chosen, for as many as it was made for.
class NumberSet {
 public:
  explicit NumberSet(std::size_t most) : slots_(std::bit_ceil(2 * most), kFree) {}

  // False if it was there already.
  bool insert(std::int64_t number) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = static_cast<std::size_t>(number) & mask;
    while (slots_[at] != kFree) {
      if (slots_[at] == number) return false;
      at = (at + 1) & mask;
    }
    slots_[at] = number;
    return true;
  }

 private:
  static constexpr std::int64_t kFree = -1;
  std::vector<std::int64_t> slots_;
};

// Floyd's algorithm (Bentley, "Programming Pearls", 1987): out.size() different numbers below n. `insert(number, i)`
// says whether the number is none of out[0...i-1].
template <class Insert>
void choose_by_floyd(Rng& rng, std::int64_t n, std::span<std::int64_t> out, Insert&& insert) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t last = n - static_cast<std::int64_t>(out.size() - i);
    out[i] = rng.integers(0, last + 1);
    if (insert(out[i], i)) continue;
    out[i] = last;
    insert(last, i);
  }
}

inline void choose_different(Rng& rng, std::int64_t n, std::span<std::int64_t> out) {
  constexpr std::size_t kFew = 64;  // looked through one by one, without the heap
  if (out.size() <= kFew) {
    choose_by_floyd(rng, n, out, [out](std::int64_t number, std::size_t i) {
      for (std::size_t k = 0; k < i; ++k) {
        if (out[k] == number) return false;
      }
      return true;
    });
  } else {
    NumberSet taken(out.size());
    choose_by_floyd(rng, n, out, [&taken](std::int64_t number, std::size_t) { return taken.insert(number); });
  }
}

}  // namespace detail

// Generator.shuffle(values): in place, by swaps from the last element down.
template <class Range>
void Rng::shuffle(Range&& values) {
  const auto first = std::begin(values);
  static_assert(std::random_access_iterator<std::remove_const_t<decltype(first)>>,
                "shuffle takes an array, a std::array, std::vector or std::span");
  for (auto i = std::ssize(values) - 1; i > 0; --i) {
    std::iter_swap(first + i,
                   first + static_cast<std::ptrdiff_t>(detail::masked(*this, static_cast<std::uint64_t>(i))));
  }
}

// Generator.permutation(out.size()): 0, 1... in random order.
inline void Rng::permutation(std::span<std::int64_t> out) {
  std::iota(out.begin(), out.end(), std::int64_t{0});
  shuffle(out);
}

// Generator.choice(n): one of the numbers below n >= 1.
inline std::int64_t Rng::choice(std::int64_t n) {
  if (n < 1) throw std::invalid_argument("choice: expected n >= 1, got " + std::to_string(n));
  return integers(0, n);
}

// Generator.choice(n, size=out.size(), replace=, shuffle=). Without replacement at most n; none draws nothing.
inline void Rng::choice(std::int64_t n, std::span<std::int64_t> out, ChoiceOptions options) {
  if (out.empty()) return;
  if (n < 1) throw std::invalid_argument("choice: expected n >= 1, got " + std::to_string(n));
  if (options.replace) {
    for (std::int64_t& value : out) value = integers(0, n);
    return;
  }
  const auto size = static_cast<std::int64_t>(out.size());
  if (size > n) {
    throw std::invalid_argument("choice without replacement: expected at most " + std::to_string(n) +
                                " numbers to be asked for, got " + std::to_string(size));
  }
  // NumPy's rule for when it shuffles the tail of all n numbers, and when it looks for a few different ones.
  if (n > 10000 && size > n / (options.shuffle ? 50 : 20)) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(n));
    std::iota(all.begin(), all.end(), std::int64_t{0});
    detail::swap_down(*this, all, static_cast<std::size_t>(std::max<std::int64_t>(n - size, 1)));
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = all[all.size() - out.size() + i];
    return;
  }
  detail::choose_different(*this, n, out);
  if (options.shuffle) detail::swap_down(*this, out, 1);
}

// Generator.choice(len(p), p=p): number i with the probability p[i]. They are >= 0, and their sum is 1 but for 1.5e-8.
// Without the heap: the sums are added up on the way.
inline std::int64_t Rng::choice(std::span<const double> probabilities) {
  detail::expect_probabilities(probabilities);
  const double total = std::accumulate(probabilities.begin(), probabilities.end(), 0.0);
  const double u = random();
  double sum = 0.0;
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    sum += probabilities[i];
    if (sum / total > u) return static_cast<std::int64_t>(i);
  }
  return static_cast<std::int64_t>(probabilities.size()) - 1;  // never: the last sum is 1, and u is below
}

// Generator.choice(len(p), size=out.size(), p=p, replace=). Without replacement at most as many as have a probability
// above 0; `shuffle` changes nothing here, as in NumPy.
inline void Rng::choice(std::span<const double> probabilities, std::span<std::int64_t> out, ChoiceOptions options) {
  detail::expect_probabilities(probabilities);
  std::vector<double> distribution;
  if (options.replace) {
    detail::sum_up(probabilities, distribution);
    for (std::int64_t& value : out) value = detail::find(distribution, random());
    return;
  }
  const auto possible =
      std::count_if(probabilities.begin(), probabilities.end(), [](double probability) { return probability > 0.0; });
  if (out.size() > static_cast<std::size_t>(possible)) {
    throw std::invalid_argument("choice without replacement: expected at most " + std::to_string(possible) +
                                " numbers to be asked for, as many as have a probability above 0, got " +
                                std::to_string(out.size()));
  }
  // Rounds: as many draws as are missing; those that occur twice in one round count once, those that are found have
  // the probability 0 in the next.
  std::vector<double> left(probabilities.begin(), probabilities.end());
  std::vector<double> draws;
  std::size_t found = 0;
  while (found < out.size()) {
    draws.resize(out.size() - found);
    for (double& draw : draws) draw = random();
    detail::sum_up(left, distribution);
    for (const double draw : draws) {
      const std::int64_t value = detail::find(distribution, draw);
      double& probability = left[static_cast<std::size_t>(value)];
      if (probability == 0.0) continue;
      probability = 0.0;
      out[found++] = value;
    }
  }
}

}  // namespace fastvec
