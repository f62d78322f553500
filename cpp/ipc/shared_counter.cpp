#include "ipc/shared_counter.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "platform/clock.hpp"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#endif
#if !defined(_WIN32)
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#endif

namespace fastvec::ipc {

namespace {

using Word = std::atomic_ref<std::uint32_t>;
static_assert(Word::is_always_lock_free, "a lock would live in one process only");

constexpr int kPauses = 64;  // between two looks at the clock, which also give the core away

Word word(const std::uint32_t& value) { return Word(const_cast<std::uint32_t&>(value)); }

// Sleeps while `value` is `expected`, for `timeout` nanoseconds at most (-1: no limit).
// False if a signal came; true otherwise, also for no reason.
bool park(std::uint32_t& value, std::uint32_t expected, std::int64_t timeout) {
#if defined(__linux__)
  timespec limit{};
  limit.tv_sec = static_cast<time_t>(timeout / 1'000'000'000);
  limit.tv_nsec = static_cast<long>(timeout % 1'000'000'000);
  const long result = syscall(SYS_futex, &value, FUTEX_WAIT, expected, timeout < 0 ? nullptr : &limit, nullptr, 0);
  return result == 0 || errno != EINTR;
#else
  constexpr std::int64_t kStep = 200'000;
  if (word(value).load(std::memory_order_acquire) != expected) return true;
  const std::int64_t step = timeout < 0 ? kStep : std::min(kStep, timeout);
#if defined(_WIN32)
  std::this_thread::sleep_for(std::chrono::nanoseconds(step));
  return true;
#else
  timespec limit{0, static_cast<long>(step)};
  return nanosleep(&limit, nullptr) == 0 || errno != EINTR;
#endif
#endif
}

void unpark([[maybe_unused]] std::uint32_t& value) {
#if defined(__linux__)
  syscall(SYS_futex, &value, FUTEX_WAKE, 1, nullptr, nullptr, 0);
#endif
}

bool reached(std::uint32_t count, std::uint32_t target) { return static_cast<std::int32_t>(count - target) >= 0; }

}  // namespace

std::uint32_t SharedCounter::now() const { return word(count).load(std::memory_order_acquire); }

// The count is raised before `parked` is read, and the waiter sets `parked` before it reads the count a last
// time (both sequentially consistent): one of the two sees the other. `wanted` is written before `parked`.
void SharedCounter::raise(std::uint32_t by) {
  const std::uint32_t raised = word(count).fetch_add(by, std::memory_order_seq_cst) + by;
  if (word(parked).load(std::memory_order_seq_cst) == 0) return;
  if (reached(raised, word(wanted).load(std::memory_order_relaxed))) unpark(count);
}

WaitResult SharedCounter::wait(std::uint32_t target, const Patience& patience) {
  if (reached(now(), target)) return WaitResult::kReached;
  const std::int64_t begin = platform::now_ns();
  const std::int64_t end = patience.timeout < 0 ? -1 : begin + patience.timeout;
  const std::int64_t spin_end = end < 0 ? begin + patience.spin : std::min(begin + patience.spin, end);
  while (platform::now_ns() < spin_end) {
    for (int i = 0; i < kPauses; ++i) {
      if (reached(now(), target)) return WaitResult::kReached;
      platform::pause();
    }
    std::this_thread::yield();
  }

  word(wanted).store(target, std::memory_order_relaxed);
  word(parked).store(1, std::memory_order_seq_cst);
  WaitResult result = WaitResult::kReached;
  for (;;) {
    const std::uint32_t seen = word(count).load(std::memory_order_seq_cst);
    if (reached(seen, target)) break;
    const std::int64_t left = end < 0 ? -1 : end - platform::now_ns();
    if (end >= 0 && left <= 0) {
      result = WaitResult::kTimeout;
      break;
    }
    if (!park(count, seen, left)) {
      result = WaitResult::kInterrupted;
      break;
    }
  }
  word(parked).store(0, std::memory_order_relaxed);
  return result;
}

bool die_with([[maybe_unused]] std::int64_t parent, [[maybe_unused]] int lifeline) {
#if defined(_WIN32)
  return false;
#else
  int process = -1;
#if defined(__linux__) && defined(SYS_pidfd_open)
  process = static_cast<int>(syscall(SYS_pidfd_open, static_cast<pid_t>(parent), 0));
  if (process < 0 && errno == ESRCH) kill(getpid(), SIGKILL);
#endif
  if (process < 0 && lifeline < 0) return false;
  std::thread([process, lifeline] {
    sigset_t all;  // signals are for the thread that runs the program
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    pollfd watched[2] = {{process, POLLIN, 0}, {lifeline, POLLIN, 0}};  // poll skips negative descriptors
    while (poll(watched, 2, -1) < 0 && errno == EINTR) {
    }
    kill(getpid(), SIGKILL);
  }).detach();
  return true;
#endif
}

}  // namespace fastvec::ipc
