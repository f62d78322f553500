// Asynchronous stepping: envs are handed in and come back in the order in which they finish, so that a
// slow one does not hold up a batch.
//
// Every env is idle, in flight (handed in, not yet given back) or nothing else. Threads of this object
// step the envs in flight; `receive` gathers rows of those that are done, in the order in which they were. One caller
// at a time.
//
// A thread takes several envs at a time from the queue, for a lock per quick env would cost more than its step. What
// it has not begun is not lost behind a slow one: threads with nothing to do take it over, one by one.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.hpp"

namespace fastvec::engine {

class AsyncRunner {
 public:
  explicit AsyncRunner(Engine& engine);
  ~AsyncRunner();  // joins the threads: in a forked child, where they do not exist, a runner is left where it is
  AsyncRunner(const AsyncRunner&) = delete;
  AsyncRunner& operator=(const AsyncRunner&) = delete;

  std::int64_t in_flight() const { return in_flight_; }

  // Throws EngineError unless every id is in range, named once and idle.
  void require_idle(std::span<const std::int64_t> envs, const char* what) const;

  // Hands in envs to be reset (options may be null; the caller has had them checked, before any env was in flight) or
  // stepped with row k of each action array for envs[k]; the actions are copied. Throws EngineError, with nothing
  // handed in, if an id is out of range, named twice or in flight, or an action is outside its space.
  void reset(std::span<const std::int64_t> envs, const ResetOptions* options);
  void step(std::span<const std::int64_t> envs, const ActionView& actions);

  // Waits for `count` envs, writes their results into rows 0..count of `out` and their ids into `envs`.
  // `timeout` in seconds; none, or more than a year, waits as long as it takes. Throws kInvalidArgument if it is NaN,
  // kWrongMode if fewer are in flight, kTimeout (nothing is lost) after `timeout` seconds, kInterrupted if `stop`
  // says so, and EnvFailures if some of these envs failed (rows and ids are written all the same).
  void receive(std::int64_t count, std::optional<double> timeout, const BatchView& out, std::int64_t* envs,
               const StopCheck& stop);

 private:
  struct Item {
    std::int64_t env = 0;
    bool is_reset = false;
  };
  // What one thread has taken from the queue. Filled by that thread with the lock held; others take from it with
  // the lock held, the thread itself without.
  struct alignas(64) Turn {
    std::vector<Item> items;
    std::atomic<std::int64_t> next{0};  // the first that nobody has begun
    std::int64_t size = 0;

    bool is_left() const { return next.load(std::memory_order_relaxed) < size; }
  };

  void hand_in(std::span<const std::int64_t> envs, bool is_reset, const std::shared_ptr<const ResetOptions>& options);
  void start_threads();
  void stop_threads();
  void work_loop(Turn& turn);
  std::optional<Item> take_over();
  void do_item(const Item& item, std::vector<EnvFailure>& failures);
  void publish(std::int64_t env);

  Engine& engine_;
  BatchMemory results_;                                            // row i: env i's latest result
  std::vector<std::vector<std::byte>> actions_, float64_actions_;  // per action leaf; as float64
  std::vector<const void*> action_pointers_, float64_pointers_;
  std::vector<std::uint8_t> is_float64_;                            // per env: its action lies in float64_actions_
  std::vector<std::shared_ptr<const ResetOptions>> reset_options_;  // per env in flight
  std::vector<std::uint8_t> is_in_flight_;                          // per env; the caller's alone
  std::int64_t in_flight_ = 0;

  // The envs that are done, in order: number k lies in slot k % capacity, -1 until it is written. There is a slot for
  // every env, so one that is written again was read before.
  std::vector<std::atomic<std::int64_t>> done_;
  alignas(64) std::atomic<std::int64_t> num_done_{0};  // numbers given out
  alignas(64) std::atomic<std::int64_t> wanted_{0};    // the receiver sleeps until so many were; 0: it does not sleep
  std::int64_t num_received_ = 0;                      // the caller's alone

  std::mutex mutex_;  // guards what follows
  std::condition_variable work_ready_;
  std::condition_variable result_ready_;
  std::vector<Item> queue_;  // a ring: `queued_` of them from `first_` on
  std::size_t first_ = 0, queued_ = 0;
  std::vector<std::unique_ptr<Turn>> turns_;  // one per thread
  std::vector<EnvFailure> failures_;
  bool quit_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace fastvec::engine
