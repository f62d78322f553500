#include "engine/async.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>

#include "platform/clock.hpp"
#include "waiting.hpp"

namespace fastvec::engine {

namespace {

constexpr double kTurnTime = 20'000.0;  // nanoseconds that a thread's turn should last at most

}  // namespace

AsyncRunner::AsyncRunner(Engine& engine)
    : engine_(engine),
      results_(engine.layout(), engine.num_envs()),
      is_float64_(static_cast<std::size_t>(engine.num_envs())),
      reset_options_(static_cast<std::size_t>(engine.num_envs())),
      is_in_flight_(static_cast<std::size_t>(engine.num_envs())),
      done_(std::bit_ceil(static_cast<std::size_t>(engine.num_envs()))),
      queue_(static_cast<std::size_t>(engine.num_envs())) {
  const auto envs = static_cast<std::size_t>(engine.num_envs());
  for (auto& slot : done_) slot.store(-1, std::memory_order_relaxed);
  for (const Leaf& leaf : engine.layout().actions) {
    actions_.emplace_back(envs * static_cast<std::size_t>(leaf.row_bytes));
    action_pointers_.push_back(actions_.back().data());
    if (engine.spec().accepts_float64_actions != 0) {
      float64_actions_.emplace_back(envs * static_cast<std::size_t>(leaf.row_bytes) * 2);
      float64_pointers_.push_back(float64_actions_.back().data());
    }
  }
  start_threads();
}

void AsyncRunner::start_threads() {
  for (int i = 0; i < engine_.options().num_threads; ++i) {
    turns_.push_back(std::make_unique<Turn>());
    turns_.back()->items.resize(queue_.size());
  }
  try {
    for (const auto& turn : turns_) threads_.emplace_back([this, own = turn.get()] { work_loop(*own); });
  } catch (...) {  // the system gives no more threads
    stop_threads();
    throw;
  }
}

void AsyncRunner::stop_threads() {
  {
    const std::lock_guard lock(mutex_);
    quit_ = true;
  }
  work_ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

AsyncRunner::~AsyncRunner() { stop_threads(); }

void AsyncRunner::require_idle(std::span<const std::int64_t> envs, const char* what) const {
  std::vector<std::uint8_t> named(is_in_flight_.size());
  for (const std::int64_t env : envs) {
    const std::string id = std::to_string(env);
    if (env < 0 || env >= engine_.num_envs()) {
      throw EngineError(Fault::kInvalidArgument, std::string(what) + ": expected env ids from 0 to " +
                                                     std::to_string(engine_.num_envs() - 1) + ", got " + id);
    }
    if (named[static_cast<std::size_t>(env)]++ != 0) {
      throw EngineError(Fault::kInvalidArgument,
                        std::string(what) + ": expected each env id once, got " + id + " twice");
    }
    if (is_in_flight_[static_cast<std::size_t>(env)] != 0) {
      throw EngineError(Fault::kWrongMode, std::string(what) + ": expected idle envs, got env " + id +
                                               ", which is in flight: recv() it first");
    }
  }
}

void AsyncRunner::hand_in(std::span<const std::int64_t> envs, bool is_reset,
                          const std::shared_ptr<const ResetOptions>& options) {
  for (const std::int64_t env : envs) {
    is_in_flight_[static_cast<std::size_t>(env)] = 1;
    reset_options_[static_cast<std::size_t>(env)] = options;
  }
  in_flight_ += static_cast<std::int64_t>(envs.size());
  {
    const std::lock_guard lock(mutex_);
    for (const std::int64_t env : envs) {  // never more than there are envs
      queue_[(first_ + queued_) % queue_.size()] = {env, is_reset};
      ++queued_;
    }
  }
  if (envs.size() == 1) work_ready_.notify_one();
  else work_ready_.notify_all();
}

void AsyncRunner::reset(std::span<const std::int64_t> envs, const ResetOptions* options) {
  require_idle(envs, "async_reset");
  std::shared_ptr<const ResetOptions> shared;
  if (options != nullptr) shared = std::make_shared<const ResetOptions>(*options);
  engine_.mark_started(envs);
  hand_in(envs, true, shared);
}

void AsyncRunner::step(std::span<const std::int64_t> envs, const ActionView& actions) {
  require_idle(envs, "send");
  const Episodes& episodes = engine_.episodes();
  for (const std::int64_t env : envs) {
    if (!episodes.is_started(env)) {
      throw EngineError(Fault::kNeedsReset, "send: expected envs that were reset, got env " + std::to_string(env) +
                                                " without; call async_reset()");
    }
    if (engine_.options().autoreset == AutoresetMode::kDisabled && episodes.is_pending(env)) {
      throw EngineError(Fault::kNeedsReset, "send: with autoreset disabled, expected unfinished envs, got env " +
                                                std::to_string(env) +
                                                "; reset it with async_reset(options={'reset_mask': mask})");
    }
  }
  check_actions(engine_.layout(), episodes.pending_flags(), actions, envs.data(),
                static_cast<std::int64_t>(envs.size()));
  auto& store = actions.are_float64 ? float64_actions_ : actions_;
  for (std::size_t i = 0; i < store.size(); ++i) {
    const auto bytes = static_cast<std::size_t>(engine_.layout().actions[i].row_bytes) * (actions.are_float64 ? 2 : 1);
    for (std::size_t k = 0; k < envs.size(); ++k) {
      std::memcpy(store[i].data() + static_cast<std::size_t>(envs[k]) * bytes,
                  static_cast<const std::byte*>(actions.leaves[i]) + k * bytes, bytes);
    }
  }
  for (const std::int64_t env : envs) is_float64_[static_cast<std::size_t>(env)] = actions.are_float64 ? 1 : 0;
  hand_in(envs, false, nullptr);
}

void AsyncRunner::work_loop(Turn& turn) {
  std::vector<EnvFailure> failures;
  double per_env = 0.0;  // nanoseconds; 0: not known yet
  std::unique_lock lock(mutex_);
  for (;;) {
    std::optional<Item> other;
    work_ready_.wait(lock, [&] {
      if (!quit_ && queued_ == 0) other = take_over();
      return quit_ || queued_ != 0 || other.has_value();
    });
    if (quit_) return;
    if (other) {
      lock.unlock();
      do_item(*other, failures);
      lock.lock();
      continue;
    }
    // One env if they are slow, many if they are quick, never more than a fair share.
    const std::size_t fair = queued_ / turns_.size() + 1;
    const std::size_t quick = per_env > 0.0 ? static_cast<std::size_t>(kTurnTime / per_env) + 1 : 1;
    const std::size_t size = std::min({fair, quick, queued_});
    for (std::size_t i = 0; i < size; ++i) turn.items[i] = queue_[(first_ + i) % queue_.size()];
    first_ = (first_ + size) % queue_.size();
    queued_ -= size;
    turn.size = static_cast<std::int64_t>(size);
    turn.next.store(0, std::memory_order_relaxed);
    lock.unlock();

    const std::int64_t begin = platform::now_ns();
    std::int64_t finished = 0;
    for (std::int64_t k; (k = turn.next.fetch_add(1, std::memory_order_relaxed)) < turn.size; ++finished) {
      do_item(turn.items[static_cast<std::size_t>(k)], failures);
    }
    if (finished > 0) per_env = static_cast<double>(platform::now_ns() - begin) / static_cast<double>(finished);
    lock.lock();
  }
}

// With the lock held: an item that its thread has not begun, if there is one.
std::optional<AsyncRunner::Item> AsyncRunner::take_over() {
  for (const auto& turn : turns_) {
    if (!turn->is_left()) continue;
    const std::int64_t k = turn->next.fetch_add(1, std::memory_order_relaxed);
    if (k >= turn->size) continue;  // its thread was quicker
    return turn->items[static_cast<std::size_t>(k)];
  }
  return std::nullopt;
}

void AsyncRunner::do_item(const Item& item, std::vector<EnvFailure>& failures) {
  const auto at = static_cast<std::size_t>(item.env);
  if (item.is_reset) {
    engine_.reset_one(item.env, reset_options_[at].get(), results_.view(), failures);
  } else {
    const bool float64 = is_float64_[at] != 0;
    engine_.step_one(item.env, {float64 ? float64_pointers_.data() : action_pointers_.data(), float64}, results_.view(),
                     failures);
  }
  if (!failures.empty()) {
    const std::lock_guard lock(mutex_);
    failures_.insert(failures_.end(), failures.begin(), failures.end());
    failures.clear();
  }
  publish(item.env);
}

// The receiver sets `wanted_` before it looks at `num_done_` a last time, and here `num_done_` grows before `wanted_`
// is read (all sequentially consistent): one of the two sees the other, so no result is slept through.
void AsyncRunner::publish(std::int64_t env) {
  const std::int64_t number = num_done_.fetch_add(1, std::memory_order_seq_cst);
  done_[static_cast<std::size_t>(number) & (done_.size() - 1)].store(env, std::memory_order_release);
  if (wanted_.load(std::memory_order_seq_cst) != number + 1) return;
  {
    const std::lock_guard lock(mutex_);
  }  // not between the receiver's look and its sleep
  result_ready_.notify_one();
}

void AsyncRunner::receive(std::int64_t count, std::optional<double> timeout, const BatchView& out, std::int64_t* envs,
                          const StopCheck& stop) {
  if (timeout && std::isnan(*timeout)) throw EngineError(Fault::kInvalidArgument, "recv: expected a timeout, got NaN");
  if (timeout && *timeout > kLongest) timeout.reset();
  if (timeout) *timeout = std::max(*timeout, 0.0);
  if (in_flight_ < count) {
    throw EngineError(Fault::kWrongMode, "recv: expected at least batch_size=" + std::to_string(count) +
                                             " envs in flight, got " + std::to_string(in_flight_) +
                                             "; call async_reset() or send() first");
  }
  const auto begin = Clock::now();
  const std::int64_t wanted = num_received_ + count;
  const auto ready = [&] { return num_done_.load(std::memory_order_seq_cst) >= wanted; };
  for (const std::int64_t end = platform::now_ns() + kSpin; !ready() && platform::now_ns() < end;) platform::pause();
  std::unique_lock lock(mutex_);
  wanted_.store(wanted, std::memory_order_seq_cst);
  while (!ready()) {
    auto wait = std::chrono::duration_cast<Clock::duration>(kStopCheckInterval);
    if (timeout) {
      const auto left =
          begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(*timeout)) - Clock::now();
      if (left <= Clock::duration::zero()) {
        wanted_.store(0);
        throw EngineError(Fault::kTimeout, "recv: expected " + std::to_string(count) + " finished envs within " +
                                               std::to_string(*timeout) + " s, got " +
                                               std::to_string(num_done_.load() - num_received_));
      }
      wait = std::min<Clock::duration>(wait, left);
    }
    if (result_ready_.wait_for(lock, wait, ready) || stop.should_stop == nullptr) continue;
    lock.unlock();
    const bool stopped = stop.should_stop(stop.context);
    lock.lock();
    if (stopped) {
      wanted_.store(0);
      throw EngineError(Fault::kInterrupted, "recv: interrupted; nothing is lost");
    }
  }
  wanted_.store(0);
  for (std::int64_t row = 0; row < count; ++row) {
    std::atomic<std::int64_t>& slot = done_[static_cast<std::size_t>(num_received_ + row) & (done_.size() - 1)];
    // A number is given out a moment before its slot is written.
    while ((envs[row] = slot.load(std::memory_order_acquire)) < 0) std::this_thread::yield();
    slot.store(-1, std::memory_order_relaxed);
  }
  num_received_ = wanted;
  std::vector<EnvFailure> failures;
  const auto received = [&](const EnvFailure& failure) {
    return std::find(envs, envs + count, failure.env) != envs + count;
  };
  std::copy_if(failures_.begin(), failures_.end(), std::back_inserter(failures), received);
  std::erase_if(failures_, received);
  lock.unlock();

  const Layout& layout = engine_.layout();
  const BatchView& from = results_.view();
  const auto gather = [&](void* to, const void* source, std::int64_t bytes) {
    for (std::int64_t row = 0; row < count; ++row) {
      std::memcpy(static_cast<std::byte*>(to) + row * bytes, static_cast<const std::byte*>(source) + envs[row] * bytes,
                  static_cast<std::size_t>(bytes));
    }
  };
  for (std::size_t i = 0; i < layout.observations.size(); ++i) {
    gather(out.observations[i], from.observations[i], layout.observations[i].row_bytes);
  }
  gather(out.rewards, from.rewards, sizeof(double));
  gather(out.terminated, from.terminated, 1);
  gather(out.truncated, from.truncated, 1);
  for (std::size_t i = 0; i < layout.info.size(); ++i) {
    gather(out.info[i], from.info[i], layout.info[i].row_bytes);
    gather(out.info_mask[i], from.info_mask[i], 1);
  }
  for (std::int64_t row = 0; row < count; ++row) is_in_flight_[static_cast<std::size_t>(envs[row])] = 0;
  in_flight_ -= count;
  if (!failures.empty()) throw EnvFailures(std::move(failures));
}

}  // namespace fastvec::engine
