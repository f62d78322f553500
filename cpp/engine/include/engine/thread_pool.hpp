// A pool of threads for one kind of work: calling a function over all of [0, count) in contiguous ranges.
//
// The calling thread takes part; a pool of one thread starts none. Each participant has a share of the
// ranges that is the same in every call (so an env's memory stays in the cache of one core) and, once that is done,
// takes over what the others have not begun. A worker that wakes too late finds the work closed and is not waited for.
//
// Workers wait by spinning for a short time and then parking. `run` allocates nothing.
// A pool belongs to one caller at a time, in the process that made it; in a forked child it can only be destroyed.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "platform/fork.hpp"

namespace fastvec::engine {

// Called for [first, last), on any participant, never twice for the same index.
using RangeFunction = void (*)(void* context, std::int64_t first, std::int64_t last);

// Asked by the calling thread between two ranges, now and then: true ends the work early.
struct StopCheck {
  bool (*should_stop)(void* context) = nullptr;
  void* context = nullptr;
};

struct Work {
  std::int64_t count = 0;
  std::int64_t grain = 1;  // envs per range
  int participants = 1;    // threads, the caller among them
  RangeFunction function = nullptr;
  void* context = nullptr;
};

// What `run` saw, in nanoseconds of this run.
struct RunReport {
  std::int64_t busy = 0;  // summed over all participants
  std::int64_t wall = 0;
  bool stopped = false;  // should_stop said so; ranges are left undone
};

class ThreadPool {
 public:
  // `pin`: bind worker k to core k + 1 of those the process may use (Linux; elsewhere ignored).
  ThreadPool(int num_threads, bool pin);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return num_threads_; }

  // Returns when every range was called (or the work was stopped) and no worker is inside the function.
  RunReport run(const Work& work, const StopCheck& stop);

  // How long a worker spins for the next work before it parks; 0: it parks at once.
  void set_spin(std::int64_t nanoseconds) { spin_.store(nanoseconds, std::memory_order_relaxed); }

  // True if some worker that `participants` would use is parked, so that waking it costs a system call.
  bool any_parked(int participants) const;

  // Running means of the nanoseconds from the start of a run until a worker begins: one that spun, and one that
  // was parked. They start from typical values.
  double spinning_latency() const { return spinning_latency_.load(std::memory_order_relaxed); }
  double parked_latency() const { return parked_latency_.load(std::memory_order_relaxed); }

 private:
  struct alignas(64) Share {
    std::atomic<std::int64_t> next{0};  // first index that nobody has taken
    std::int64_t last = 0;
  };
  struct alignas(64) Worker {
    std::atomic<std::uint32_t> calls{0};   // grows when there is work for it
    std::atomic<std::uint32_t> parked{0};  // 1 while it waits in the kernel
    std::thread thread;
  };

  void start();
  void stop();
  void wake(Worker& worker);
  bool wait_for_call(Worker& worker, std::uint32_t seen);  // true if it parked
  void note_latency(std::int64_t nanoseconds, bool parked);
  void work_loop(int index);
  std::int64_t take_part(int index, const StopCheck* stop, bool* stopped);

  // The door to the current work: kClosed, or the number of workers inside.
  static constexpr std::uint32_t kClosed = 1u << 31;

  const int num_threads_;
  const bool pin_;
  platform::Home home_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Share[]> shares_;
  Work work_;
  alignas(64) std::atomic<std::uint32_t> gate_{kClosed};
  std::atomic<std::uint32_t> caller_parked_{0};
  std::atomic<std::int64_t> busy_{0};
  std::int64_t opened_ = 0;  // when the current work was opened; published by the gate like work_
  std::atomic<double> spinning_latency_{700.0};
  std::atomic<double> parked_latency_{15'000.0};
  std::atomic<std::int64_t> spin_{50'000};
  std::atomic<bool> quit_{false};
};

}  // namespace fastvec::engine
