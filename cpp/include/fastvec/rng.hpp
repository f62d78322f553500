// fastvec/rng.hpp: NumPy's default random generator, draw for draw.
//
// `Rng` gives the numbers of numpy.random.Generator(PCG64(SeedSequence(seed))): the same methods in the
// same order give the same values, bit for bit. `envs.reset(seed=s)` seeds env i with s + i, as Gymnasium does, so that
// self.np_random of the same env in Python draws the same numbers.
//
// Lifetime: an `Rng` is a view of one env's generator state, which the engine owns, seeds and saves; copy it freely, it
// is a pointer. It is valid during the call that it is handed to.
// Threads: not to be shared between them. Each env has a generator of its own, so what it draws does not depend on the
// number of threads, nor on other envs.
// Memory: none is taken but by what says so.
// Errors: arguments that NumPy refuses throw std::invalid_argument, unless a method says what it needs instead.
//
// Every method is NumPy's in this sense, whatever its arguments, and tests/python/sdk/test_rng.py holds it to that.
// What is built from them is not: drawing `integers` for a shuffle of one's own gives a shuffle, but not `shuffle`.
//
// Sources: O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for
// Random Number Generation" (2014), variant XSL-RR 128/64; Lemire, "Fast Random Integer Generation in
// an Interval" (2019); NumPy's documentation of SeedSequence.
#pragma once

#include "fastvec/detail/require_cxx20.hpp"  // before all else

#include <cstdint>
#include <limits>
#include <span>

#include "fastvec/abi.h"

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

namespace fastvec {

namespace detail {

struct Uint128 {
  std::uint64_t high, low;
};

inline Uint128 multiply(std::uint64_t a, std::uint64_t b) {
#if defined(__SIZEOF_INT128__)
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return {static_cast<std::uint64_t>(product >> 64), static_cast<std::uint64_t>(product)};
#elif defined(__CUDA_ARCH__)
  return {__umul64hi(a, b), a * b};
#else
  Uint128 product;
  product.low = _umul128(a, b, &product.high);
  return product;
#endif
}

inline Uint128 add(Uint128 a, Uint128 b) {
  const std::uint64_t low = a.low + b.low;
  return {a.high + b.high + (low < a.low ? 1u : 0u), low};
}

// One step of the 128-bit linear congruential generator beneath PCG64.
inline void pcg_advance(fv_rng& rng) {
  constexpr Uint128 kMultiplier{2549297995355413924ull, 4865540595714422341ull};
  const Uint128 state{rng.state_high, rng.state_low};
  Uint128 next = multiply(state.low, kMultiplier.low);
  next.high += state.high * kMultiplier.low + state.low * kMultiplier.high;
  next = add(next, {rng.increment_high, rng.increment_low});
  rng.state_high = next.high;
  rng.state_low = next.low;
}

}  // namespace detail

// How several numbers are chosen: `rng.choice(52, hand, {.replace = false})`.
struct ChoiceOptions {
  bool replace = true;  // may a number come twice?
  bool shuffle = true;  // without replacement: is the order of the numbers to be random as well? (False is quicker.)
};

// One env's generator. Methods are numpy.random.Generator's, with one number where NumPy's size=None gives one.
class Rng {
 public:
  // A view of `state`, which has been seeded (seed_rng) and outlives it.
  explicit Rng(fv_rng& state) : state_(&state) {}

  // The generator as it is: what this is made from makes one that goes on alike.
  const fv_rng& state() const { return *state_; }

  // 64 uniform bits: one step of the generator.
  std::uint64_t next_uint64() {
    detail::pcg_advance(*state_);
    const std::uint64_t folded = state_->state_high ^ state_->state_low;
    const unsigned rotation = static_cast<unsigned>(state_->state_high >> 58);
    return (folded >> rotation) | (folded << ((64u - rotation) & 63u));
  }

  // 32 uniform bits: the low half of a 64-bit draw, and at the next call its high half, which is kept in the state
  // meanwhile (64-bit draws in between leave it there, as in NumPy).
  std::uint32_t next_uint32() {
    if (state_->has_uint32 != 0) {
      state_->has_uint32 = 0;
      return state_->uint32;
    }
    const std::uint64_t bits = next_uint64();
    state_->has_uint32 = 1;
    state_->uint32 = static_cast<std::uint32_t>(bits >> 32);
    return static_cast<std::uint32_t>(bits);
  }

  // Generator.random(): [0, 1) with 53 bits.
  double random() { return static_cast<double>(next_uint64() >> 11) * (1.0 / 9007199254740992.0); }

  // Generator.uniform(low, high): [low, high), for finite bounds whose difference is finite; they are not checked.
  double uniform(double low, double high) { return low + (high - low) * random(); }

  // Generator.integers(low, high), as int64, `high` excluded. Needs low < high, which is not checked.
  std::int64_t integers(std::int64_t low, std::int64_t high) {
    const std::uint64_t span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) - 1;
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + bounded(span));
  }

  // Generator.standard_normal(), normal(mean, scale): normal.hpp. `scale` is the standard deviation, not checked.
  double standard_normal();
  double normal(double mean, double scale) { return mean + scale * standard_normal(); }

  // Generator.standard_exponential(), exponential(scale), standard_gamma(shape), gamma(shape, scale), poisson(mean),
  // binomial(n, p) and geometric(p): distributions.hpp.
  double standard_exponential();
  double exponential(double scale = 1.0);
  double standard_gamma(double shape);
  double gamma(double shape, double scale = 1.0);
  std::int64_t poisson(double mean);
  std::int64_t binomial(std::int64_t n, double p);
  std::int64_t geometric(double p);

  // Generator.shuffle(values), in place, of an array, vector or span of anything; permutation(out.size()), the numbers
  // from 0 on in random order: choice.hpp.
  template <class Range>
  void shuffle(Range&& values);
  void permutation(std::span<std::int64_t> out);

  // Generator.choice(n) and choice(n, size=out.size(), replace=, shuffle=), the numbers below n as likely as one
  // another; choice(probabilities.size(), p=probabilities), and with size= and replace= too: choice.hpp. More than 64
  // without replacement, and more than one with probabilities, take heap memory while they are drawn.
  std::int64_t choice(std::int64_t n);
  void choice(std::int64_t n, std::span<std::int64_t> out, ChoiceOptions options = {});
  std::int64_t choice(std::span<const double> probabilities);
  void choice(std::span<const double> probabilities, std::span<std::int64_t> out, ChoiceOptions options = {});

 private:
  // Uniform in [0, span], by Lemire's multiplication with rejection.
  std::uint64_t bounded(std::uint64_t span) {
    constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();
    if (span == 0) return 0;
    if (span < kMax32) {
      const std::uint32_t count = static_cast<std::uint32_t>(span) + 1;
      std::uint64_t product = static_cast<std::uint64_t>(next_uint32()) * count;
      if (static_cast<std::uint32_t>(product) < count) {
        const std::uint32_t threshold = static_cast<std::uint32_t>(kMax32 - span) % count;
        while (static_cast<std::uint32_t>(product) < threshold) {
          product = static_cast<std::uint64_t>(next_uint32()) * count;
        }
      }
      return product >> 32;
    }
    if (span == kMax32) return next_uint32();
    if (span == std::numeric_limits<std::uint64_t>::max()) return next_uint64();
    const std::uint64_t count = span + 1;
    detail::Uint128 product = detail::multiply(next_uint64(), count);
    if (product.low < count) {
      const std::uint64_t threshold = (std::numeric_limits<std::uint64_t>::max() - span) % count;
      while (product.low < threshold) product = detail::multiply(next_uint64(), count);
    }
    return product.high;
  }

  fv_rng* state_;
};

// Seeds `rng` as numpy.random.PCG64(numpy.random.SeedSequence(entropy)) does, and forgets a kept half word. `entropy`
// is the seed in 32-bit words, least significant first, at most four of them (seeds below 2**128). The engine does this
// for envs; it is here for tests of one's own.
inline void seed_rng(fv_rng& rng, std::span<const std::uint32_t> entropy) {
  constexpr std::size_t kPool = 4;
  constexpr std::uint32_t kMultiplyA = 0x931e8875u, kMultiplyB = 0x58f38dedu;
  constexpr std::uint32_t kMixLeft = 0xca01f9ddu, kMixRight = 0x4973f715u;

  std::uint32_t hash_constant = 0x43b0d7e5u;
  const auto hash = [&hash_constant](std::uint32_t value) {
    value ^= hash_constant;
    hash_constant *= kMultiplyA;
    value *= hash_constant;
    return value ^ (value >> 16);
  };
  std::uint32_t pool[kPool];
  for (std::size_t i = 0; i < kPool; ++i) pool[i] = hash(i < entropy.size() ? entropy[i] : 0u);
  for (std::size_t source = 0; source < kPool; ++source) {
    for (std::size_t target = 0; target < kPool; ++target) {
      if (source == target) continue;
      const std::uint32_t mixed = kMixLeft * pool[target] - kMixRight * hash(pool[source]);
      pool[target] = mixed ^ (mixed >> 16);
    }
  }

  std::uint32_t output_constant = 0x8b51f9ddu;
  std::uint32_t words[8];
  for (std::size_t i = 0; i < 8; ++i) {
    std::uint32_t value = pool[i % kPool] ^ output_constant;
    output_constant *= kMultiplyB;
    value *= output_constant;
    words[i] = value ^ (value >> 16);
  }
  const auto word64 = [&words](std::size_t i) {
    return static_cast<std::uint64_t>(words[2 * i + 1]) << 32 | words[2 * i];
  };

  // PCG64 takes the first two 64-bit words as its start, the last two as its stream.
  const detail::Uint128 start{word64(0), word64(1)};
  rng = {};
  rng.increment_high = word64(2) << 1 | word64(3) >> 63;
  rng.increment_low = word64(3) << 1 | 1u;
  detail::pcg_advance(rng);
  const detail::Uint128 state = detail::add({rng.state_high, rng.state_low}, start);
  rng.state_high = state.high;
  rng.state_low = state.low;
  detail::pcg_advance(rng);
}

// The same for a seed below 2**64, as `numpy.random.default_rng(seed)` takes it.
inline void seed_rng(fv_rng& rng, std::uint64_t seed) {
  const std::uint32_t words[2] = {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  seed_rng(rng, std::span<const std::uint32_t>(words));
}

}  // namespace fastvec
