#include "engine/thread_pool.hpp"

#include <algorithm>

#include "platform/clock.hpp"

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

namespace fastvec::engine {

namespace {

constexpr std::int64_t kLookInterval = 10'000'000;  // nanoseconds between two looks for Ctrl-C
constexpr std::int64_t kCallerSpin = 100'000;       // nanoseconds the caller spins for the last worker
constexpr double kLatencyWeight = 0.05;             // of the newest measurement

// Spins until `ready`, for at most `limit` nanoseconds. True if it became ready.
template <class Ready>
bool spin(std::int64_t limit, Ready&& ready) {
  if (limit <= 0) return ready();
  const std::int64_t end = platform::now_ns() + limit;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      platform::pause();
    }
  } while (platform::now_ns() < end);
  return ready();
}

void pin_to_core([[maybe_unused]] int worker) {
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  int skip = (worker + 1) % std::max(1, CPU_COUNT(&allowed));
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed) || skip-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    return;
  }
#endif
}

}  // namespace

ThreadPool::ThreadPool(int num_threads, bool pin)
    : num_threads_(num_threads), pin_(pin), shares_(std::make_unique<Share[]>(static_cast<std::size_t>(num_threads))) {
  start();
}

void ThreadPool::start() {
  gate_.store(kClosed);
  caller_parked_.store(0);
  workers_.clear();
  for (int i = 0; i + 1 < num_threads_; ++i) workers_.push_back(std::make_unique<Worker>());
  try {
    for (int i = 0; i + 1 < num_threads_; ++i) {
      workers_[static_cast<std::size_t>(i)]->thread = std::thread([this, i] { work_loop(i); });
    }
  } catch (...) {  // the system gives no more threads
    stop();
    throw;
  }
}

void ThreadPool::stop() {
  quit_.store(true, std::memory_order_release);  // pairs with the load in work_loop
  for (auto& worker : workers_) wake(*worker);
  for (auto& worker : workers_) {
    if (worker->thread.joinable()) worker->thread.join();
  }
}

ThreadPool::~ThreadPool() {
  if (!home_.is_here()) {  // the threads are the parent's; their handles mean nothing here
    for (auto& worker : workers_) static_cast<void>(worker.release());
    return;
  }
  stop();
}

// The call counter is raised before `parked` is read, and a worker sets `parked` before it reads the
// counter a last time (both sequentially consistent): one of the two sees the other, so no call is lost.
void ThreadPool::wake(Worker& worker) {
  worker.calls.fetch_add(1, std::memory_order_seq_cst);
  if (worker.parked.load(std::memory_order_seq_cst) != 0) worker.calls.notify_one();
}

bool ThreadPool::wait_for_call(Worker& worker, std::uint32_t seen) {
  const auto called = [&] { return worker.calls.load(std::memory_order_acquire) != seen; };
  if (spin(spin_.load(std::memory_order_relaxed), called)) return false;
  worker.parked.store(1, std::memory_order_seq_cst);
  while (worker.calls.load(std::memory_order_seq_cst) == seen) {
    worker.calls.wait(seen, std::memory_order_seq_cst);
  }
  worker.parked.store(0, std::memory_order_relaxed);
  return true;
}

// Workers may write over each other's mean: it stays a mean of what was measured. A worker that another process
// kept off its core says nothing about waking, so one outlier moves the mean little.
void ThreadPool::note_latency(std::int64_t nanoseconds, bool parked) {
  std::atomic<double>& mean = parked ? parked_latency_ : spinning_latency_;
  const double old = mean.load(std::memory_order_relaxed);
  const double seen = std::min(static_cast<double>(nanoseconds), 4.0 * old);
  mean.store(old + kLatencyWeight * (seen - old), std::memory_order_relaxed);
}

bool ThreadPool::any_parked(int participants) const {
  for (int i = 0; i + 1 < participants; ++i) {
    if (workers_[static_cast<std::size_t>(i)]->parked.load(std::memory_order_relaxed) != 0) return true;
  }
  return false;
}

void ThreadPool::work_loop(int index) {
  if (pin_) pin_to_core(index);
  Worker& worker = *workers_[static_cast<std::size_t>(index)];
  std::uint32_t seen = 0;
  for (;;) {
    const bool parked = wait_for_call(worker, seen);
    seen = worker.calls.load(std::memory_order_acquire);
    if (quit_.load(std::memory_order_acquire)) return;

    // Enter if the work is still open. The acquire pairs with the release in `run` that opened it.
    std::uint32_t inside = gate_.load(std::memory_order_acquire);
    bool entered = false;
    while ((inside & kClosed) == 0 && !entered) {
      entered = gate_.compare_exchange_weak(inside, inside + 1, std::memory_order_acq_rel);
    }
    if (!entered) continue;
    note_latency(platform::now_ns() - opened_, parked);
    busy_.fetch_add(take_part(index + 1, nullptr, nullptr), std::memory_order_relaxed);
    // Leave. Release hands our results to the caller's acquire; sequentially consistent with
    // caller_parked_ as in `wake`.
    if (gate_.fetch_sub(1, std::memory_order_seq_cst) == (kClosed | 1u) &&
        caller_parked_.load(std::memory_order_seq_cst) != 0) {
      gate_.notify_one();
    }
  }
}

// Works through the participant's own share, then through what is left of the others'. Returns the
// nanoseconds it took.
std::int64_t ThreadPool::take_part(int index, const StopCheck* stop, bool* stopped) {
  const std::int64_t begin = platform::now_ns();
  std::int64_t last_check = begin;
  std::int64_t time = begin;
  std::int64_t grain = work_.grain;
  const int participants = work_.participants;
  for (int k = 0; k < participants; ++k) {
    Share& share = shares_[static_cast<std::size_t>((index + k) % participants)];
    for (;;) {
      // Relaxed: the ranges' data is published by the gate, this only deals them out.
      const std::int64_t first = share.next.fetch_add(grain, std::memory_order_relaxed);
      if (first >= share.last) break;
      work_.function(work_.context, first, std::min(first + grain, share.last));
      const std::int64_t took = platform::now_ns() - time;
      time += took;
      // Slower than was thought: smaller ranges, so that they balance and the stop check is asked in time.
      if (took > kLookInterval) grain = std::max<std::int64_t>(1, grain * kLookInterval / took);
      if (stop == nullptr || stop->should_stop == nullptr) continue;
      if (time - last_check < kLookInterval) continue;
      last_check = time;
      if (stop->should_stop(stop->context)) {
        for (int other = 0; other < participants; ++other) {
          shares_[static_cast<std::size_t>(other)].next.store(work_.count, std::memory_order_relaxed);
        }
        *stopped = true;
        return time - begin;
      }
    }
  }
  return time - begin;
}

RunReport ThreadPool::run(const Work& work, const StopCheck& stop) {
  const std::int64_t begin = platform::now_ns();
  work_ = work;
  work_.participants = std::clamp(work.participants, 1, num_threads_);
  const int participants = work_.participants;
  for (int i = 0; i < participants; ++i) {
    Share& share = shares_[static_cast<std::size_t>(i)];
    share.next.store(work.count * i / participants, std::memory_order_relaxed);
    share.last = work.count * (i + 1) / participants;
  }
  busy_.store(0, std::memory_order_relaxed);

  RunReport report;
  if (participants == 1) {
    report.busy = take_part(0, &stop, &report.stopped);
    report.wall = platform::now_ns() - begin;
    return report;
  }

  opened_ = platform::now_ns();
  gate_.store(0, std::memory_order_release);  // open: publishes work_, opened_ and the shares
  for (int i = 0; i + 1 < participants; ++i) wake(*workers_[static_cast<std::size_t>(i)]);
  const std::int64_t own = take_part(0, &stop, &report.stopped);

  // Close the door, then wait for those inside. Acquire pairs with their release on leaving.
  const auto empty = [this] { return gate_.load(std::memory_order_acquire) == kClosed; };
  if (gate_.fetch_or(kClosed, std::memory_order_seq_cst) != 0 && !spin(kCallerSpin, empty)) {
    caller_parked_.store(1, std::memory_order_seq_cst);
    for (std::uint32_t inside = gate_.load(std::memory_order_seq_cst); inside != kClosed;
         inside = gate_.load(std::memory_order_seq_cst)) {
      gate_.wait(inside, std::memory_order_seq_cst);
    }
    caller_parked_.store(0, std::memory_order_relaxed);
  }
  report.busy = own + busy_.load(std::memory_order_relaxed);
  report.wall = platform::now_ns() - begin;
  return report;
}

}  // namespace fastvec::engine
