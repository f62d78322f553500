#include "engine/background.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/errors.hpp"
#include "platform/clock.hpp"
#include "waiting.hpp"

namespace fastvec::engine {

Background::Background() : thread_([this] { loop(); }) {}

Background::~Background() {
  unwanted_.store(true, std::memory_order_relaxed);  // read by the stop check: no data depends on it
  {
    const std::lock_guard lock(mutex_);
    quit_ = true;
  }
  begun_.notify_one();
  thread_.join();
}

void Background::start(Function function, void* context) {
  {
    const std::lock_guard lock(mutex_);
    function_ = function;
    context_ = context;
    error_ = nullptr;
    is_done_.store(false, std::memory_order_relaxed);  // published by the lock
  }
  begun_.notify_one();
}

bool Background::wait(std::optional<double> timeout, const StopCheck& stop) {
  if (timeout && std::isnan(*timeout)) throw EngineError(Fault::kInvalidArgument, "expected a timeout, got NaN");
  if (timeout && *timeout > kLongest) timeout.reset();
  const auto ready = [&] { return is_done_.load(std::memory_order_acquire); };  // with the release in `loop`
  const auto begin = Clock::now();
  const std::int64_t spin = timeout ? std::min(kSpin, static_cast<std::int64_t>(std::max(*timeout, 0.0) * 1e9)) : kSpin;
  for (const std::int64_t end = platform::now_ns() + spin; !ready() && platform::now_ns() < end;) platform::pause();
  std::unique_lock lock(mutex_);
  while (!ready()) {
    auto span = std::chrono::duration_cast<Clock::duration>(kStopCheckInterval);
    if (timeout) {
      const auto left =
          begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(std::max(*timeout, 0.0))) -
          Clock::now();
      if (left <= Clock::duration::zero()) return false;
      span = std::min<Clock::duration>(span, left);
    }
    if (done_.wait_for(lock, span, ready) || stop.should_stop == nullptr) continue;
    lock.unlock();
    const bool stopped = stop.should_stop(stop.context);
    lock.lock();
    if (stopped) throw EngineError(Fault::kInterrupted, "interrupted; what was begun goes on");
  }
  return true;
}

void Background::loop() {
  const StopCheck stop{
      [](void* raw) { return static_cast<Background*>(raw)->unwanted_.load(std::memory_order_relaxed); }, this};
  std::unique_lock lock(mutex_);
  for (;;) {
    begun_.wait(lock, [&] { return quit_ || function_ != nullptr; });
    if (function_ == nullptr) return;
    lock.unlock();
    std::exception_ptr error;
    try {
      function_(context_, stop);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    function_ = nullptr;
    error_ = error;
    is_done_.store(true, std::memory_order_release);
    done_.notify_one();
    if (quit_) return;
  }
}

}  // namespace fastvec::engine
