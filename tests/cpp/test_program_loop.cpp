#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "programs/loop.hpp"

using namespace fastvec::programs;

namespace {

// buffers: a number of a row, and a sum that it is added to.
int add(void** buffers, void* /*gemm*/) {
  *static_cast<std::int64_t*>(buffers[1]) += *static_cast<const std::int64_t*>(buffers[0]);
  return 0;
}

constexpr std::int64_t kModulus = 1'000'003;

// buffers: the two sums that were added to, the total that takes them in, and what the total was after each row.
int gather(void** buffers, void* /*gemm*/) {
  auto* total = static_cast<std::int64_t*>(buffers[2]);
  for (int i = 0; i < 2; ++i) {
    auto* sum = static_cast<std::int64_t*>(buffers[i]);
    *total = (3 * *total + *sum) % kModulus;
    *sum = 0;
  }
  *static_cast<std::int64_t*>(buffers[3]) = *total;
  return 0;
}

int fail_at_seven(void** buffers, void* /*gemm*/) { return *static_cast<const std::int64_t*>(buffers[0]) == 7 ? 2 : 0; }

int needs_gemm(void** /*buffers*/, void* gemm) { return *static_cast<int*>(gemm) == 42 ? 0 : 1; }

template <class T>
std::int64_t address(T& value) {
  return reinterpret_cast<std::int64_t>(&value);
}

constexpr std::int64_t kRows = 300, kSize = sizeof(std::int64_t);

struct Sums {
  std::vector<std::int64_t> values = std::vector<std::int64_t>(2 * kRows);
  std::int64_t first = 0, second = 0, total = 0;
  std::vector<std::int64_t> totals = std::vector<std::int64_t>(kRows);
  // Call 0 adds the even numbers, call 1 the odd ones.
  std::vector<std::int64_t> adds{address(values[0]), address(first), address(values[1]), address(second)};
  std::vector<std::int64_t> add_strides{2 * kSize, 0, 2 * kSize, 0};
  std::vector<std::int64_t> gathers{address(first), address(second), address(total), address(totals[0])};
  std::vector<std::int64_t> gather_strides{0, 0, 0, kSize};

  Sums() {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int64_t>(i * i % 101);
  }
  std::vector<Phase> phases() const {
    return {{add, 2, 2, adds.data(), add_strides.data()}, {gather, 1, 4, gathers.data(), gather_strides.data()}};
  }
};

}  // namespace

TEST_CASE("phases come one after the other for each row, on any number of threads") {
  for (const int threads : {1, 2, 4}) {
    Sums sums;
    Loop loop(threads, nullptr, {});
    const auto phases = sums.phases();
    const Outcome outcome = loop.run(phases, kRows, {});
    CHECK(outcome.status == 0);
    CHECK_FALSE(outcome.stopped);
    std::int64_t total = 0;
    for (std::size_t row = 0; row < kRows; ++row) {
      total = (3 * total + sums.values[2 * row]) % kModulus;
      total = (3 * total + sums.values[2 * row + 1]) % kModulus;
      REQUIRE(sums.totals[row] == total);
    }
  }
}

TEST_CASE("the first call that breaks off ends the loop with its status") {
  std::vector<std::int64_t> numbers(20);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::int64_t>(i);
  std::int64_t sum = 0;
  const std::vector<std::int64_t> looks{address(numbers[0])}, look_strides{kSize};
  const std::vector<std::int64_t> adds{address(numbers[0]), address(sum)}, add_strides{kSize, 0};
  const std::vector<Phase> phases{{fail_at_seven, 1, 1, looks.data(), look_strides.data()},
                                  {add, 1, 2, adds.data(), add_strides.data()}};
  Loop loop(2, nullptr, {});
  CHECK(loop.run(phases, 20, {}).status == 2);
  CHECK(sum == 0 + 1 + 2 + 3 + 4 + 5 + 6);
  CHECK(loop.run(phases, 5, {}).status == 0);  // and it can be used again
}

TEST_CASE("programs are given the product of matrices, and their threads are made ready once") {
  int gemm = 42;
  std::atomic<int> started{0};
  const std::vector<std::int64_t> nothing(8);
  const std::vector<Phase> phases{{needs_gemm, 8, 1, nothing.data(), nothing.data()}};
  Loop loop(3, &gemm, {[](void* context) { static_cast<std::atomic<int>*>(context)->fetch_add(1); }, &started});
  for (int i = 0; i < 50; ++i) CHECK(loop.run(phases, 20, {}).status == 0);
  CHECK(started.load() <= 2);  // the caller's thread is the caller's own
}

TEST_CASE("a loop that is told to stop ends between two rows") {
  struct Slow {
    static int program(void** buffers, void* /*gemm*/) {
      ++*static_cast<std::int64_t*>(buffers[0]);
      const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(8);
      while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
      return 0;
    }
  };
  std::int64_t calls = 0;
  const std::vector<std::int64_t> addresses{address(calls)}, strides{0};
  const std::vector<Phase> phases{{Slow::program, 1, 1, addresses.data(), strides.data()}};
  Loop loop(1, nullptr, {});
  const Outcome outcome = loop.run(phases, 1'000'000, {[](void* /*context*/) { return true; }, nullptr});
  CHECK(outcome.stopped);
  CHECK(calls >= 1);
  CHECK(calls < 1000);
}
