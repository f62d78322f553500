#include "engine/scheduler.hpp"

#include <algorithm>

#include "platform/clock.hpp"

namespace fastvec::engine {

namespace {

constexpr std::int64_t kProbeInterval = 256;  // batches
// Envs per range while nothing is known: if they are slow, Ctrl-C must not wait for all.
constexpr std::int64_t kFirstGrain = 64;
// Nanoseconds.
constexpr double kMaxSpin = 50'000.0;   // how long a worker may spin for the next batch
constexpr double kRangeTime = 4'000.0;  // a range should last about this long: far above its own cost
constexpr double kWeight = 0.1;         // of the newest measurement in a running mean

}  // namespace

void Scheduler::plan(Work& work, ThreadPool& pool) {
  const std::int64_t start = platform::now_ns();
  if (last_end_ != 0) {
    const double gap = static_cast<double>(start - last_end_);
    gap_ = gap_ == 0.0 ? gap : gap_ + kWeight * (std::min(gap, 4.0 * kMaxSpin) - gap_);
  }
  const int threads = static_cast<int>(std::min<std::int64_t>(pool.num_threads(), work.count));
  const double total = per_env_ * static_cast<double>(work.count);

  if (threads == 1) {
    work.participants = 1;
  } else if (per_env_ == 0.0) {
    // Nothing is known of this env yet. Many envs are shared out; a few are measured inline first.
    work.participants = work.count >= 256 ? threads : 1;
  } else {
    // Batches that follow each other closely find the workers spinning (or will, from the next one on).
    const bool close = gap_ < kMaxSpin;
    const bool spinning = close || !pool.any_parked(threads);
    const double latency = std::max(1.0, spinning ? pool.spinning_latency() : pool.parked_latency());
    const auto worthwhile = static_cast<std::int64_t>(total / (2.0 * latency)) + 1;
    work.participants = static_cast<int>(std::clamp<std::int64_t>(worthwhile, 1, threads));
    // Now and then a second thread is asked all the same, so that a latency measured in a bad moment is not kept.
    if (++batches_ % kProbeInterval == 0) work.participants = std::max(work.participants, 2);
    pool.set_spin(close && work.participants > 1 ? static_cast<std::int64_t>(kMaxSpin) : 0);
  }

  const double per_env = std::max(per_env_, 1.0);
  const auto by_time = static_cast<std::int64_t>(kRangeTime / per_env) + 1;
  const std::int64_t share = (work.count + work.participants - 1) / work.participants;
  if (per_env_ == 0.0) {
    work.grain = std::min(kFirstGrain, (share + 1) / 2);
    return;
  }
  work.grain = work.participants == 1 ? std::max<std::int64_t>(by_time * 4, 1) : std::min(by_time, (share + 1) / 2);
  work.grain = std::max<std::int64_t>(1, work.grain);
}

void Scheduler::learn(const RunReport& report, std::int64_t count) {
  last_end_ = platform::now_ns();
  if (report.stopped || count == 0) return;
  const double per_env = static_cast<double>(report.busy) / static_cast<double>(count);
  // A batch that was interrupted by another process says little: one outlier moves the estimate little.
  per_env_ = per_env_ == 0.0 ? per_env : per_env_ + kWeight * (std::min(per_env, 4.0 * per_env_) - per_env_);
}

}  // namespace fastvec::engine
