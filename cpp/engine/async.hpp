// Asynchronous stepping: envs are handed in and come back in the order in which they finish, so that a
// slow one does not hold up a batch.
//
// Every env is idle, in flight (handed in, not yet given back) or nothing else. Threads of this object
// step the envs in flight; `receive` gathers rows of those that are done. One caller at a time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine.hpp"

namespace fastvec::engine {

class AsyncRunner {
 public:
  explicit AsyncRunner(Engine& engine);
  ~AsyncRunner();  // joins the threads: use `discard` where the process may have been forked since
  // Ends a runner. In a forked child its threads do not exist and its condition variables wait for them for
  // ever, so there it is left where it is.
  static void discard(std::unique_ptr<AsyncRunner> runner);
  AsyncRunner(const AsyncRunner&) = delete;
  AsyncRunner& operator=(const AsyncRunner&) = delete;

  std::int64_t in_flight() const { return in_flight_; }

  // Throws EngineError unless every id is in range, named once and idle.
  void require_idle(std::span<const std::int64_t> envs, const char* what) const;

  // Hands in envs to be reset (options may be null) or stepped with row k of each action array for
  // envs[k]; the actions are copied. Throws EngineError, with nothing handed in, if an id is out of
  // range, named twice or in flight, or an action is outside its space.
  void reset(std::span<const std::int64_t> envs, const ResetOptions* options);
  void step(std::span<const std::int64_t> envs, const void* const* actions, bool actions_are_float64);

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
    std::shared_ptr<const ResetOptions> options = nullptr;
  };

  void hand_in(std::span<const std::int64_t> envs, bool is_reset, std::shared_ptr<const ResetOptions> options);
  bool is_forked() const;
  void start_threads();
  void stop_threads();
  void work_loop();

  Engine& engine_;
  BatchMemory results_;                                         // row i: env i's latest result
  std::vector<std::vector<std::byte>> actions_, wide_actions_;  // per action leaf; as float64
  std::vector<const void*> action_pointers_, wide_pointers_;
  std::vector<std::uint8_t> is_wide_;  // per env: its action lies in wide_actions_
  std::vector<std::uint8_t> flying_;   // per env; the caller's alone
  std::int64_t in_flight_ = 0;
  std::uint64_t generation_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable work_ready_;
  std::condition_variable result_ready_;
  std::deque<Item> queue_;
  std::deque<std::int64_t> done_;
  std::vector<EnvFailure> failures_;
  std::int64_t wanted_ = 0;  // how many results the receiver waits for; 0: it does not wait
  bool quit_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace fastvec::engine
