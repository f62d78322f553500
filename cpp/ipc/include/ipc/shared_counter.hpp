// Counters in memory that several processes share, and waiting for them: spin for a short time, then park.
//
// Linux parks on a futex; elsewhere the waiter sleeps in short steps. The memory must be zero at first and
// outlive every user. Nothing here allocates, and a process that dies at any point leaves the words usable.
#pragma once

#include <cstdint>

namespace fastvec::ipc {

enum class WaitResult {
  kReached,
  kTimeout,
  kInterrupted,  // a signal handler ran in this thread; look what it wants, then wait again
};

// How long to wait, in nanoseconds.
struct Patience {
  std::int64_t timeout = -1;  // -1: no limit
  std::int64_t spin = 0;      // before parking; gives the core away now and then, so it may share it
};

// A counter that any process raises and one process at a time waits for. It wraps around; targets are
// compared by their distance, which must stay below 2^31.
struct alignas(64) SharedCounter {
  std::uint32_t count;
  std::uint32_t wanted;  // the waiter's target, valid while it is parked
  std::uint32_t parked;

  // Acquire: what a raiser wrote before `raise` is visible once its count is.
  std::uint32_t now() const;
  // Adds to the count, and wakes the waiter if that reaches its target.
  void raise(std::uint32_t by = 1);
  WaitResult wait(std::uint32_t target, const Patience& patience);
};

// Ends this process by SIGKILL as soon as the process `parent` has ended, or `lifeline` (a file descriptor, or -1)
// reaches its end. A thread of its own watches, so a process stuck in foreign code ends too. Call once.
// False if neither can be watched here.
bool die_with(std::int64_t parent, int lifeline);

}  // namespace fastvec::ipc
