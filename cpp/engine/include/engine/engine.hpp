// The stepping engine: one vector of envs of one type, stepped and reset as batches.
//
// The engine owns what is the same for every env: random generators, time limits, autoreset, threads. What one env is
// at is in its Episodes, the envs themselves are its EnvVector. An Engine belongs to one caller at a time (the bindings
// see to that); its own threads are inside it. The exception are `step_one` and `reset_one`, the asynchronous mode's
// share. Nothing is allocated by `step` unless an env fails.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/actions.hpp"
#include "engine/batch.hpp"
#include "engine/env_vector.hpp"
#include "engine/episodes.hpp"
#include "engine/errors.hpp"
#include "engine/layout.hpp"
#include "engine/scheduler.hpp"
#include "engine/thread_pool.hpp"
#include "fastvec/abi.h"

namespace fastvec::engine {

struct EngineOptions {
  std::int64_t num_envs = 1;
  int num_threads = 1;
  bool pin_threads = false;
  AutoresetMode autoreset = AutoresetMode::kNextStep;
  std::int64_t max_episode_steps = -1;  // -1: the env's own; 0: none
};

class Engine {
 public:
  // Throws as EnvVector does.
  Engine(const fv_env_type& type, const Kwargs& kwargs, const EngineOptions& options);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const EngineOptions& options() const { return options_; }
  std::int64_t num_envs() const { return options_.num_envs; }
  const fv_spec& spec() const { return envs_.spec(); }
  const Layout& layout() const { return layout_; }
  double nanoseconds_per_env() const { return scheduler_.nanoseconds_per_env(); }  // measured; 0: not yet

  // The envs, to be drawn, saved, or given parameters.
  EnvVector& envs() { return envs_; }
  const EnvVector& envs() const { return envs_; }

  const Episodes& episodes() const { return episodes_; }
  // What may be changed of an episode from outside: see Episodes.
  void set_rng(std::int64_t env, const fv_rng& rng) { episodes_.set_rng(env, rng); }
  void set_elapsed(std::int64_t env, std::int32_t steps) { episodes_.set_elapsed(env, steps); }
  void set_time_limit(std::int64_t env, std::int32_t steps) { episodes_.set_time_limit(env, steps); }
  void set_episode(std::int64_t env, const Episode& episode) { episodes_.set(env, episode); }
  void mark_started(std::span<const std::int64_t> envs) { episodes_.mark_started(envs); }

  // Seeds env i's generator from `entropy[i * words .. (i + 1) * words)`, 32-bit words, low first.
  // `mask`: only where it is 1 (null: all).
  void seed(std::span<const std::uint32_t> entropy, std::size_t words, const std::uint8_t* mask);

  // Resets the envs where `mask` is 1 (null: all) and writes their observations and infos; the rows of the others get
  // their current observation. Throws EnvFailures, EngineError.
  void reset(const std::uint8_t* mask, const ResetOptions* options, const BatchView& out, const StopCheck& stop);

  // Throws what `step` would throw before any env is touched.
  void check_step(const ActionView& actions) const;
  // Steps all envs, row k of each array being env k's. Throws before any env is touched if an action is outside its
  // space or an env needs a reset; EnvFailures after the batch if envs failed.
  void step(const ActionView& actions, const BatchView& out, const StopCheck& stop);

  // SameStep: the last step's final observations and infos, in the rows where the mask is 1.
  const BatchView& final_batch() const { return final_->view(); }
  const std::uint8_t* final_mask() const { return final_mask_.data(); }

  // One env's turn in the asynchronous mode, by the thread that calls, with row `env` of `actions`, written into row
  // `env` of `out`. Called by several threads at once for different envs. A failure is appended to `failures`, and the
  // env is reset at its next turn. What `check_step` and `check_options` refuse was refused before.
  void step_one(std::int64_t env, const ActionView& actions, const BatchView& out, std::vector<EnvFailure>& failures);
  void reset_one(std::int64_t env, const ResetOptions* options, const BatchView& out,
                 std::vector<EnvFailure>& failures);

 private:
  Batch batch_for(const BatchView& out);
  void run(Batch& batch, Scheduler& scheduler, RangeFunction function, const StopCheck& stop);

  EngineOptions options_;
  EnvVector envs_;
  Layout layout_;
  Episodes episodes_;
  std::unique_ptr<BatchMemory> final_;  // SameStep only
  std::vector<std::uint8_t> final_mask_;

  ThreadPool pool_;
  Scheduler scheduler_;        // of steps
  Scheduler reset_scheduler_;  // of resets, which may cost much more or less
};

}  // namespace fastvec::engine
