// How many threads, and how large ranges, for the next batch: from measured times, not from guesses.
//
// An inline batch takes N * t. With p threads it takes N * t / p plus the time until the others have begun: well
// under a microsecond while they spin, a system call and a context switch when they are parked. The pool measures
// both; the scheduler keeps a running estimate of t and of how often batches come, and asks for the p that pays.
// Not for use by two threads at once.
#pragma once

#include <cstdint>

#include "engine/thread_pool.hpp"

namespace fastvec::engine {

class Scheduler {
 public:
  // Fills in `participants` and `grain` of the next batch of `count` envs.
  void plan(Work& work, ThreadPool& pool);
  // Learns from a finished batch of `count` envs.
  void learn(const RunReport& report, std::int64_t count);

  double nanoseconds_per_env() const { return per_env_; }

 private:
  double per_env_ = 0.0;  // 0: nothing measured yet
  double gap_ = 0.0;      // between the end of a batch and the start of the next
  std::int64_t last_end_ = 0;
  std::int64_t batches_ = 0;
};

}  // namespace fastvec::engine
