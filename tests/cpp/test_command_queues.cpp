#include <doctest/doctest.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "forked.hpp"
#include "ipc/command_queues.hpp"
#include "platform/clock.hpp"
#include "shared_pages.hpp"

using namespace fastvec::ipc;
using fastvec::platform::now_ns;

namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr Patience kPark{-1, 0};
constexpr Patience kDoNotWait{0, 0};
constexpr std::int32_t kClose = 0;
constexpr std::int32_t kEcho = 1;
constexpr std::int32_t kEchoNow = 2;

// Memory for the queues, and an object on it as each process (here: each thread) makes its own.
class Memory {
 public:
  Memory(int workers, int capacity)
      : workers_(workers), capacity_(capacity), pages_(CommandQueues::size(workers, capacity)) {}
  CommandQueues queues() const { return {pages_.data(), workers_, capacity_}; }

 private:
  int workers_;
  int capacity_;
  SharedPages pages_;
};

Command next(CommandQueues& queues, int worker) {
  Command command;
  while (queues.next(worker, kPark, command) != WaitResult::kReached) {
  }
  return command;
}

std::int64_t thread_cpu_ns() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return used.tv_sec * 1'000'000'000 + used.tv_nsec;
}

// Answers each command with its numbers, until told to close.
bool echo(CommandQueues queues, int worker) {
  for (;;) {
    const Command command = next(queues, worker);
    if (command.kind == kClose) return true;
    queues.reply(worker, command.first, command.second, command.kind == kEchoNow);
  }
}

std::vector<CommandQueues::Received> collected(CommandQueues& queues) {
  std::vector<CommandQueues::Received> received;
  queues.collect(received);
  return received;
}

void await(CommandQueues& queues, std::int64_t count) {
  while (queues.wait(count, kPark) != WaitResult::kReached) {
  }
}

// Workers that echo, as threads.
class Echoes {
 public:
  Echoes(const Memory& memory, int workers) : queues_(memory.queues()) {
    for (int worker = 0; worker < workers; ++worker) {
      threads_.emplace_back([&memory, worker] { echo(memory.queues(), worker); });
    }
  }
  ~Echoes() {
    for (int worker = 0; worker < static_cast<int>(threads_.size()); ++worker) queues_.post(worker, {kClose, 0, 0});
    for (auto& thread : threads_) thread.join();
  }
  CommandQueues& queues() { return queues_; }

 private:
  CommandQueues queues_;
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("commands reach their worker in order, and replies come back") {
  const Memory memory(2, 4);
  CommandQueues parent = memory.queues();
  CommandQueues first = memory.queues();
  CommandQueues second = memory.queues();
  parent.post(0, {kEcho, 10, 11});
  parent.post(0, {kEcho, 12, 13});
  parent.post(1, {kEcho, 20, 21});

  Command command = next(first, 0);
  CHECK(command.first == 10);
  CHECK(command.second == 11);
  CHECK(next(first, 0).first == 12);
  CHECK(next(second, 1).first == 20);
  CHECK(first.next(0, kDoNotWait, command) == WaitResult::kTimeout);

  CHECK(parent.available() == 0);
  first.reply(0, 5, 6);
  second.reply(1, 7, 8);
  first.reply(0, 9, 10);
  CHECK(parent.available() == 3);
  const auto received = collected(parent);
  REQUIRE(received.size() == 3);
  CHECK(received[0].worker == 0);
  CHECK(received[0].reply.env == 5);
  CHECK(received[0].reply.flags == 6);
  CHECK(received[1].worker == 1);  // in the order in which they were given, whosoever they are
  CHECK(received[2].reply.env == 9);
  CHECK(parent.available() == 0);
  CHECK(collected(parent).empty());
}

TEST_CASE("rings are used again and again, also when they are full") {
  constexpr int kCapacity = 5;  // no power of two: the ring is larger
  const Memory memory(1, kCapacity);
  CommandQueues parent = memory.queues();
  CommandQueues worker = memory.queues();
  for (std::int32_t round = 0; round < 1000; ++round) {
    for (std::int32_t i = 0; i < kCapacity; ++i) parent.post(0, {kEcho, round, i});
    for (std::int32_t i = 0; i < kCapacity; ++i) {
      const Command command = next(worker, 0);
      REQUIRE(command.first == round);
      REQUIRE(command.second == i);
      worker.reply(0, command.first, command.second);
    }
    const auto received = collected(parent);
    REQUIRE(received.size() == kCapacity);
    for (std::int32_t i = 0; i < kCapacity; ++i) REQUIRE(received[static_cast<std::size_t>(i)].reply.flags == i);
  }
}

TEST_CASE("the parent waits for as many replies as it asks for") {
  const Memory memory(3, 4);
  CommandQueues parent = memory.queues();
  CommandQueues worker = memory.queues();
  CHECK(parent.wait(0, kDoNotWait) == WaitResult::kReached);
  CHECK(parent.wait(1, kDoNotWait) == WaitResult::kTimeout);
  worker.reply(2, 1, 0);
  CHECK(parent.wait(1, kDoNotWait) == WaitResult::kReached);
  CHECK(parent.wait(2, kDoNotWait) == WaitResult::kTimeout);
  const std::int64_t begin = now_ns();
  CHECK(parent.wait(2, {5 * kMillisecond, 0}) == WaitResult::kTimeout);
  CHECK(now_ns() - begin >= 5 * kMillisecond);
  worker.reply(0, 2, 0);
  CHECK(parent.wait(2, kDoNotWait) == WaitResult::kReached);
  CHECK(collected(parent).size() == 2);
  CHECK(parent.wait(1, kDoNotWait) == WaitResult::kTimeout);
}

TEST_CASE("a reply that is to wake the parent now ends the wait, and is collected once") {
  const Memory memory(2, 4);
  Echoes echoes(memory, 2);
  CommandQueues& parent = echoes.queues();
  for (std::int32_t round = 0; round < 500; ++round) {
    parent.post(round % 2, {kEchoNow, round, 0});
    await(parent, 5);  // four more than there will be
    const auto received = collected(parent);
    REQUIRE(received.size() == 1);
    CHECK(received[0].reply.env == round);
    CHECK(parent.wait(1, kDoNotWait) == WaitResult::kTimeout);
  }
}

TEST_CASE("no reply is lost or given twice while many workers reply") {
  for (const int workers : {1, 2, 5}) {
    constexpr std::int32_t kRounds = 2000;
    const Memory memory(workers, 8);
    Echoes echoes(memory, workers);
    CommandQueues& parent = echoes.queues();
    for (std::int32_t round = 0; round < kRounds; ++round) {
      for (int worker = 0; worker < workers; ++worker) parent.post(worker, {kEcho, worker, round});
      await(parent, workers);
      const auto received = collected(parent);
      REQUIRE(received.size() == static_cast<std::size_t>(workers));
      std::vector<int> seen;
      for (const auto& one : received) {
        REQUIRE(one.reply.env == one.worker);
        REQUIRE(one.reply.flags == round);
        seen.push_back(one.worker);
      }
      std::sort(seen.begin(), seen.end());
      for (int worker = 0; worker < workers; ++worker) REQUIRE(seen[static_cast<std::size_t>(worker)] == worker);
    }
  }
}

TEST_CASE("first come, first served: a wait for some returns while others are busy") {
  constexpr int kWorkers = 3;
  const Memory memory(kWorkers, 8);
  Echoes echoes(memory, kWorkers);
  CommandQueues& parent = echoes.queues();
  constexpr std::int64_t kAll = 9000;
  std::int64_t counts[kWorkers] = {};
  std::int64_t posted = 0;
  std::int64_t taken = 0;
  for (int worker = 0; worker < kWorkers; ++worker) {
    for (int i = 0; i < 4; ++i, ++posted) parent.post(worker, {kEcho, worker, 0});
  }
  while (taken < posted) {
    await(parent, std::min<std::int64_t>(2, posted - taken));
    for (const auto& one : collected(parent)) {
      ++counts[one.worker];
      ++taken;
      if (posted < kAll) {
        parent.post(one.worker, {kEcho, one.worker, 0});
        ++posted;
      }
    }
  }
  CHECK(taken == kAll);
  CHECK(counts[0] + counts[1] + counts[2] == taken);
}

TEST_CASE("a worker whose last command was long in coming does not spin for the next") {
  const Memory memory(1, 4);
  CommandQueues parent = memory.queues();
  CommandQueues worker = memory.queues();
  const Patience patience{40 * kMillisecond, 40 * kMillisecond};
  std::thread caller([&] {
    const std::int64_t begin = now_ns();
    while (now_ns() - begin < 50 * kMillisecond) std::this_thread::yield();
    parent.post(0, {kEcho, 3, 4});
  });
  Command command;
  while (worker.next(0, {-1, patience.spin}, command) != WaitResult::kReached) {
  }
  caller.join();
  CHECK(command.first == 3);
  const std::int64_t used = thread_cpu_ns();
  CHECK(worker.next(0, patience, command) == WaitResult::kTimeout);
  CHECK(thread_cpu_ns() - used < 10 * kMillisecond);
}

TEST_CASE("a worker's place can be taken by another after it ended") {
  const Memory memory(2, 4);
  CommandQueues parent = memory.queues();
  {
    CommandQueues lost = memory.queues();
    parent.post(0, {kEcho, 1, 0});
    parent.post(0, {kEcho, 2, 0});
    next(lost, 0);
    lost.reply(0, 1, 0, true);  // wakes the parent now, and is never collected
  }
  CommandQueues other = memory.queues();
  other.reply(1, 8, 0);
  parent.clear(0);
  CHECK(parent.available() == 1);
  CommandQueues replacement = memory.queues();
  Command command;
  CHECK(replacement.next(0, kDoNotWait, command) == WaitResult::kTimeout);
  parent.post(0, {kEcho, 5, 6});
  CHECK(next(replacement, 0).first == 5);
  replacement.reply(0, 5, 6);
  CHECK(parent.wait(3, kDoNotWait) == WaitResult::kTimeout);  // the one that was to wake it is forgotten, too
  const auto received = collected(parent);
  REQUIRE(received.size() == 2);
  CHECK(received[0].worker == 1);
  CHECK(received[1].reply.env == 5);
}

TEST_CASE("processes reply as threads do" * doctest::skip(!kCanFork)) {
  constexpr int kWorkers = 3;
  constexpr std::int32_t kRounds = 1000;
  const Memory memory(kWorkers, 4);
  CommandQueues parent = memory.queues();
  std::vector<std::unique_ptr<Forked>> workers;
  for (int worker = 0; worker < kWorkers; ++worker) {
    workers.push_back(std::make_unique<Forked>([&, worker] { return echo(memory.queues(), worker); }));
  }
  std::int64_t right = 0;
  for (std::int32_t round = 0; round < kRounds; ++round) {
    for (int worker = 0; worker < kWorkers; ++worker) parent.post(worker, {kEcho, 7 * worker, round});
    await(parent, kWorkers);
    for (const auto& one : collected(parent)) {
      right += one.reply.env == 7 * one.worker && one.reply.flags == round;
    }
  }
  CHECK(right == std::int64_t{kWorkers} * kRounds);
  for (int worker = 0; worker < kWorkers; ++worker) parent.post(worker, {kClose, 0, 0});
  for (auto& worker : workers) CHECK(worker->wait());
}

TEST_CASE("a process that is killed holds up nobody else" * doctest::skip(!kCanFork)) {
  const Memory memory(2, 4);
  CommandQueues parent = memory.queues();
  Forked lost([&] { return echo(memory.queues(), 0); });
  Forked kept([&] { return echo(memory.queues(), 1); });
  parent.post(0, {kEcho, 1, 0});
  await(parent, 1);
  collected(parent);
  lost.kill();
  CHECK_FALSE(lost.wait());
  parent.post(0, {kEcho, 2, 0});
  parent.post(1, {kEcho, 3, 0});
  await(parent, 1);
  CHECK(parent.wait(2, {5 * kMillisecond, 0}) == WaitResult::kTimeout);
  const auto received = collected(parent);
  REQUIRE(received.size() == 1);
  CHECK(received[0].reply.env == 3);

  parent.clear(0);
  Forked replacement([&] { return echo(memory.queues(), 0); });
  parent.post(0, {kEcho, 4, 0});
  await(parent, 1);
  CHECK(collected(parent).at(0).reply.env == 4);
  for (int worker = 0; worker < 2; ++worker) parent.post(worker, {kClose, 0, 0});
  CHECK(replacement.wait());
  CHECK(kept.wait());
}
