// The generator against numbers that NumPy gave (golden_rng.hpp).
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <numeric>
#include <span>
#include <stdexcept>
#include <vector>

#include "fastvec/choice.hpp"
#include "fastvec/distributions.hpp"
#include "fastvec/normal.hpp"
#include "fastvec/rng.hpp"
#include "golden_rng.hpp"

namespace {

class Checksum {  // FNV-1a over 64-bit words
 public:
  void add(std::uint64_t word) { total_ = (total_ ^ word) * 0x100000001b3u; }
  void add(double value) { add(std::bit_cast<std::uint64_t>(value)); }
  std::uint64_t value() const { return total_; }

 private:
  std::uint64_t total_ = 0xcbf29ce484222325u;
};

bool equals(const fv_rng& rng, const std::uint64_t (&state)[4]) {
  return rng.state_high == state[0] && rng.state_low == state[1] && rng.increment_high == state[2] &&
         rng.increment_low == state[3];
}

}  // namespace

TEST_CASE("seeds and draws are NumPy's") {
  for (const golden::Seeding& expected : golden::kSeedings) {
    CAPTURE(expected.seed[0]);
    fv_rng state{};
    fastvec::seed_rng(state, std::span<const std::uint32_t>(expected.seed));
    CHECK(equals(state, expected.state));
    CHECK(state.has_uint32 == 0);

    fastvec::Rng rng(state);
    Checksum random, uniform, integers, normal;
    for (int i = 0; i < 1000; ++i) random.add(rng.random());
    for (int i = 0; i < 1000; ++i) uniform.add(rng.uniform(-0.05, 0.05));
    for (int i = 0; i < 1000; ++i) {
      const auto& range = golden::kRanges[static_cast<std::size_t>(i) % std::size(golden::kRanges)];
      integers.add(static_cast<std::uint64_t>(rng.integers(range[0], range[1])));
    }
    for (int i = 0; i < 1000; ++i) normal.add(rng.standard_normal());
    CHECK(random.value() == expected.random);
    CHECK(uniform.value() == expected.uniform);
    CHECK(integers.value() == expected.integers);
    CHECK(normal.value() == expected.normal);
  }
}

TEST_CASE("100,000 normals are NumPy's, the tail included") {
  fv_rng state{};
  fastvec::seed_rng(state, 2024);
  fastvec::Rng rng(state);
  Checksum sum;
  double largest = 0.0;
  for (int i = 0; i < 100'000; ++i) {
    const double value = rng.standard_normal();
    largest = std::max(largest, std::fabs(value));
    sum.add(value);
  }
  CHECK(sum.value() == golden::kManyNormals);
  CHECK(equals(state, golden::kStateAfterNormals));
  CHECK(largest > 3.6541528853610088);  // so the tail was reached
}

TEST_CASE("normal scales a standard normal") {
  fv_rng state{};
  fastvec::seed_rng(state, 7);
  fastvec::Rng rng(state);
  for (const std::uint64_t expected : golden::kFirstNormals) {
    CHECK(std::bit_cast<std::uint64_t>(rng.normal(1.5, 0.25)) == expected);
  }
}

TEST_CASE("a seed is the same in two words and in four") {
  fv_rng one{}, other{};
  fastvec::seed_rng(one, 123456789012345u);
  const std::uint32_t words[4] = {static_cast<std::uint32_t>(123456789012345u),
                                  static_cast<std::uint32_t>(123456789012345u >> 32), 0, 0};
  fastvec::seed_rng(other, std::span<const std::uint32_t>(words));
  CHECK(one.state_high == other.state_high);
  CHECK(one.state_low == other.state_low);
  CHECK(one.increment_low == other.increment_low);
}

TEST_CASE("seeding forgets a buffered half draw") {
  fv_rng state{};
  fastvec::seed_rng(state, 1);
  fastvec::Rng rng(state);
  const std::uint32_t first = rng.next_uint32();
  CHECK(state.has_uint32 == 1);
  fastvec::seed_rng(state, 1);
  CHECK(state.has_uint32 == 0);
  CHECK(rng.next_uint32() == first);
}

TEST_CASE("the halves of a draw come low first") {
  fv_rng one{}, other{};
  fastvec::seed_rng(one, 5);
  fastvec::seed_rng(other, 5);
  const std::uint64_t whole = fastvec::Rng(one).next_uint64();
  fastvec::Rng halves(other);
  CHECK(halves.next_uint32() == static_cast<std::uint32_t>(whole));
  CHECK(halves.next_uint32() == static_cast<std::uint32_t>(whole >> 32));
  CHECK(fastvec::Rng(one).next_uint64() == fastvec::Rng(other).next_uint64());
}

TEST_CASE("a range of one value takes no draw") {
  fv_rng state{};
  fastvec::seed_rng(state, 5);
  const fv_rng before = state;
  CHECK(fastvec::Rng(state).integers(3, 4) == 3);
  CHECK(state.state_low == before.state_low);
  CHECK(state.has_uint32 == before.has_uint32);
}

TEST_CASE("integers stay in their range") {
  fv_rng state{};
  fastvec::seed_rng(state, 9);
  fastvec::Rng rng(state);
  for (const auto& range : golden::kRanges) {
    for (int i = 0; i < 200; ++i) {
      const std::int64_t value = rng.integers(range[0], range[1]);
      CHECK((value >= range[0] && value < range[1]));
    }
  }
}

// tests/python/sdk/test_rng.py compares the numbers themselves with NumPy's; here the sanitizers look on.
TEST_CASE("distributions stay in their ranges, their edges included") {
  fv_rng state{};
  fastvec::seed_rng(state, 3);
  fastvec::Rng rng(state);
  for (int i = 0; i < 200; ++i) {
    CHECK(rng.exponential(2.0) >= 0.0);
    for (const double shape : {0.0, 1e-9, 0.5, 1.0, 1.5, 1e8}) CHECK(rng.gamma(shape, 3.0) >= 0.0);
    for (const double mean : {0.0, 1e-9, 9.9, 10.0, 1e6, 9.2e18}) CHECK(rng.poisson(mean) >= 0);
    for (const double p : {5e-324, 1e-9, 0.3, 1.0 / 3.0, 1.0}) CHECK(rng.geometric(p) >= 1);
    for (const std::int64_t n : {std::int64_t{0}, std::int64_t{1}, std::int64_t{100}, std::int64_t{1} << 62}) {
      for (const double p : {0.0, 1e-18, 0.25, 0.5, 0.9, 1.0}) {
        const std::int64_t count = rng.binomial(n, p);
        CHECK((count >= 0 && count <= n));
      }
    }
  }
}

TEST_CASE("what is chosen without replacement is different, whichever way it is looked for") {
  fv_rng state{};
  fastvec::seed_rng(state, 4);
  fastvec::Rng rng(state);
  for (const std::int64_t n : {1, 64, 65, 1000, 20000}) {
    for (const std::int64_t size : {std::int64_t{0}, std::int64_t{1}, n / 2, n}) {
      for (const bool shuffle : {true, false}) {
        std::vector<std::int64_t> chosen(static_cast<std::size_t>(size));
        rng.choice(n, chosen, {.replace = false, .shuffle = shuffle});
        std::sort(chosen.begin(), chosen.end());
        CHECK(std::adjacent_find(chosen.begin(), chosen.end()) == chosen.end());
        CHECK((chosen.empty() || (chosen.front() >= 0 && chosen.back() < n)));
      }
    }
  }
  const std::vector<double> probabilities{0.0, 0.5, 0.25, 0.0, 0.25};
  std::vector<std::int64_t> chosen(3);
  rng.choice(probabilities, chosen, {.replace = false});
  std::sort(chosen.begin(), chosen.end());
  CHECK(chosen == std::vector<std::int64_t>{1, 2, 4});
  CHECK_THROWS_AS(rng.choice(2, chosen, {.replace = false}), std::invalid_argument);
  std::vector<std::int64_t> order(10);
  rng.permutation(order);
  rng.shuffle(order);
  CHECK(std::accumulate(order.begin(), order.end(), std::int64_t{0}) == 45);
}
