#include <doctest/doctest.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <thread>
#include <vector>

#include "forked.hpp"
#include "ipc/shared_counter.hpp"
#include "platform/clock.hpp"
#include "shared_pages.hpp"

using namespace fastvec::ipc;
using fastvec::platform::now_ns;

namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr Patience kPark{-1, 0};
constexpr Patience kSpin{-1, 200'000};
constexpr Patience kDoNotWait{0, 0};

// Returns once the waiter has announced itself (it may not sleep yet; that is what the counter must cope with).
void until_parked(SharedCounter& counter) {
  while (std::atomic_ref(counter.parked).load() == 0) std::this_thread::yield();
}

}  // namespace

TEST_CASE("a counter counts what is raised") {
  SharedCounter counter{};
  CHECK(counter.now() == 0);
  counter.raise();
  counter.raise(3);
  CHECK(counter.now() == 4);
  CHECK(counter.wait(4, kPark) == WaitResult::kReached);
  CHECK(counter.wait(2, kPark) == WaitResult::kReached);
}

TEST_CASE("a count that wraps around is still reached in order") {
  SharedCounter counter{};
  counter.count = 0xFFFFFFFEu;
  CHECK(counter.wait(0xFFFFFFFDu, kDoNotWait) == WaitResult::kReached);
  CHECK(counter.wait(1, kDoNotWait) == WaitResult::kTimeout);
  counter.raise(3);
  CHECK(counter.now() == 1);
  CHECK(counter.wait(1, kDoNotWait) == WaitResult::kReached);
  CHECK(counter.wait(2, kDoNotWait) == WaitResult::kTimeout);
}

TEST_CASE("a wait that is not fulfilled ends after its timeout, not before") {
  SharedCounter counter{};
  counter.raise();
  for (const std::int64_t spin : {std::int64_t{0}, 2 * kMillisecond, 100 * kMillisecond}) {
    const std::int64_t begin = now_ns();
    CHECK(counter.wait(2, {5 * kMillisecond, spin}) == WaitResult::kTimeout);
    CHECK(now_ns() - begin >= 5 * kMillisecond);
    CHECK(counter.parked == 0);
  }
  counter.raise();
  CHECK(counter.wait(2, kDoNotWait) == WaitResult::kReached);
}

TEST_CASE("a parked waiter wakes up when its target is reached, not when the count has only moved") {
  SharedCounter counter{};
  std::atomic<bool> woke{false};
  std::thread waiter([&] {
    CHECK(counter.wait(3, kPark) == WaitResult::kReached);
    woke = true;
  });
  until_parked(counter);
  counter.raise();
  counter.raise();
  CHECK(std::atomic_ref(counter.parked).load() == 1);
  CHECK_FALSE(woke.load());
  counter.raise();
  waiter.join();
  CHECK(woke.load());
}

// A wake-up that is lost leaves one of the two parked for good, and the test program with it.
TEST_CASE("no wake-up is lost between two that wait for each other") {
  for (const Patience& patience : {kPark, kSpin}) {
    SharedCounter ping{};
    SharedCounter pong{};
    constexpr std::uint32_t kTurns = 20'000;
    std::thread other([&] {
      for (std::uint32_t turn = 1; turn <= kTurns; ++turn) {
        while (ping.wait(turn, patience) != WaitResult::kReached) {
        }
        pong.raise();
      }
    });
    for (std::uint32_t turn = 1; turn <= kTurns; ++turn) {
      ping.raise();
      while (pong.wait(turn, patience) != WaitResult::kReached) {
      }
    }
    other.join();
    CHECK(ping.now() == kTurns);
    CHECK(pong.now() == kTurns);
  }
}

TEST_CASE("many raise one counter, and what they wrote before is seen") {
  SharedCounter counter{};
  constexpr int kRaisers = 6;
  constexpr std::uint32_t kEach = 3000;
  std::vector<std::uint64_t> written(kRaisers, 0);  // plain: the counter alone orders it
  std::vector<std::thread> raisers;
  for (int raiser = 0; raiser < kRaisers; ++raiser) {
    raisers.emplace_back([&, raiser] {
      for (std::uint32_t i = 0; i < kEach; ++i) {
        written[static_cast<std::size_t>(raiser)] += i;
        counter.raise();
      }
    });
  }
  CHECK(counter.wait(kRaisers * kEach, kPark) == WaitResult::kReached);
  for (const std::uint64_t sum : written) CHECK(sum == std::uint64_t{kEach} * (kEach - 1) / 2);
  for (auto& raiser : raisers) raiser.join();
  CHECK(counter.now() == kRaisers * kEach);
}

TEST_CASE("each of many waiters has a counter of its own and is woken by it alone") {
  constexpr std::size_t kWaiters = 16;
  std::vector<SharedCounter> counters(kWaiters);
  SharedCounter done{};
  std::vector<std::thread> waiters;
  for (auto& counter : counters) {
    waiters.emplace_back([&] {
      CHECK(counter.wait(1, kPark) == WaitResult::kReached);
      done.raise();
    });
  }
  for (std::size_t i = 0; i < kWaiters; ++i) {
    for (std::size_t later = i; later < kWaiters; ++later) until_parked(counters[later]);
    CHECK(done.now() == i);
    counters[i].raise();
    CHECK(done.wait(static_cast<std::uint32_t>(i + 1), kPark) == WaitResult::kReached);
  }
  for (auto& waiter : waiters) waiter.join();
}

TEST_CASE("a signal handler interrupts a parked waiter, which can then wait again") {
  struct sigaction action{};
  struct sigaction before{};
  action.sa_handler = [](int) {};  // without SA_RESTART
  sigaction(SIGUSR1, &action, &before);
  SharedCounter counter{};
  std::atomic<bool> interrupted{false};
  std::thread waiter([&] {
    while (counter.wait(1, kPark) == WaitResult::kInterrupted) interrupted = true;
  });
  until_parked(counter);
  while (!interrupted) {  // one that comes before the thread sleeps is not noticed
    pthread_kill(waiter.native_handle(), SIGUSR1);
    std::this_thread::yield();
  }
  counter.raise();
  waiter.join();
  sigaction(SIGUSR1, &before, nullptr);
  CHECK(counter.now() == 1);
}

TEST_CASE("two processes wake each other" * doctest::skip(!kCanFork)) {
  const SharedPages pages(2 * sizeof(SharedCounter) + sizeof(std::uint64_t));
  auto* counters = static_cast<SharedCounter*>(pages.data());
  auto* number = reinterpret_cast<std::uint64_t*>(counters + 2);
  constexpr std::uint32_t kTurns = 5000;
  Forked other([&] {
    for (std::uint32_t turn = 1; turn <= kTurns; ++turn) {
      while (counters[0].wait(turn, kPark) != WaitResult::kReached) {
      }
      if (*number != 2 * turn - 1) return false;
      ++*number;
      counters[1].raise();
    }
    return true;
  });
  for (std::uint32_t turn = 1; turn <= kTurns; ++turn) {
    ++*number;
    counters[0].raise();
    while (counters[1].wait(turn, kPark) != WaitResult::kReached) {
    }
    if (*number != 2 * turn) break;
  }
  CHECK(*number == 2 * kTurns);
  CHECK(other.wait());
}

TEST_CASE("a process that is killed while it waits leaves a counter that works" * doctest::skip(!kCanFork)) {
  const SharedPages pages(sizeof(SharedCounter));
  auto& counter = *static_cast<SharedCounter*>(pages.data());
  {
    Forked lost([&] { return counter.wait(1, kPark) == WaitResult::kReached; });
    until_parked(counter);
    lost.kill();
    CHECK_FALSE(lost.wait());
  }
  Forked replacement([&] { return counter.wait(1, kPark) == WaitResult::kReached; });
  counter.raise();
  CHECK(replacement.wait());
}

TEST_CASE("a process ends with the one it was told to watch" * doctest::skip(!kCanFork)) {
  int ends[2];  // the write end is held by the grandchild alone: reading ends when it has ended
  REQUIRE(pipe(ends) == 0);
  Forked parent([&] {
    const pid_t self = getpid();
    const pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      if (!die_with(self, -1)) _exit(1);
      const char ready = 'r';
      if (write(ends[1], &ready, 1) != 1) _exit(1);
      for (;;) ::pause();
    }
    for (;;) ::pause();
    return false;
  });
  close(ends[1]);
  char got = 0;
  REQUIRE(read(ends[0], &got, 1) == 1);
  CHECK(got == 'r');
  parent.kill();
  CHECK_FALSE(parent.wait());
  CHECK(read(ends[0], &got, 1) == 0);
  close(ends[0]);
}

TEST_CASE("a process ends when its lifeline is cut" * doctest::skip(!kCanFork)) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  Forked watching([&] {
    close(ends[1]);
    die_with(getpid(), ends[0]);  // watching itself it would live for ever
    for (;;) ::pause();
    return true;
  });
  close(ends[0]);
  close(ends[1]);
  CHECK_FALSE(watching.wait());
}
