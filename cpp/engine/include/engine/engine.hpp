// The stepping engine: one vector of envs of one type, driven through its C table.
//
// The engine owns what is the same for every env: random generators, time limits, autoreset, threads.
// An Engine belongs to one caller at a time (the bindings see to that); its own threads are inside it.
// Nothing is allocated by `step` unless an env fails.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/errors.hpp"
#include "engine/layout.hpp"
#include "engine/scheduler.hpp"
#include "engine/thread_pool.hpp"
#include "fastvec/abi.h"

namespace fastvec::engine {

enum class AutoresetMode { kNextStep, kSameStep, kDisabled };

struct EngineOptions {
  std::int64_t num_envs = 1;
  int num_threads = 1;
  bool pin_threads = false;
  AutoresetMode autoreset = AutoresetMode::kNextStep;
  std::int64_t max_episode_steps = -1;  // -1: the env's own; 0: none
};

// Values for fv_env_type::create, one per declared kwarg.
struct Kwargs {
  std::vector<fv_value> values;
};

// Options of one reset, one entry per declared option.
struct ResetOptions {
  std::vector<double> values;
  std::vector<std::uint8_t> present;
};

// How many numbers `set_parameter` may set; 0 for a library that is older than parameters are.
std::int64_t num_parameters(const fv_env_type& type);

class Engine {
 public:
  Engine(const fv_env_type& type, const Kwargs& kwargs, const EngineOptions& options);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const fv_env_type& type() const { return type_; }
  const fv_spec& spec() const { return spec_; }
  const Layout& layout() const { return layout_; }
  const EngineOptions& options() const { return options_; }
  std::int64_t num_envs() const { return options_.num_envs; }
  double nanoseconds_per_env() const { return scheduler_.nanoseconds_per_env(); }  // measured; 0: not yet

  // Seeds env i's generator from `entropy[i * words .. (i + 1) * words)`, 32-bit words, low first.
  // `mask`: only where it is 1 (null: all).
  void seed(std::span<const std::uint32_t> entropy, std::size_t words, const std::uint8_t* mask);
  fv_rng& rng(std::int64_t env) { return rngs_[static_cast<std::size_t>(env)]; }

  // Resets the envs where `mask` is 1 (null: all) and writes their observations and infos; the rows of
  // the others get their current observation. Throws EnvFailures, EngineError.
  void reset(const std::uint8_t* mask, const ResetOptions* options, const BatchView& out, const StopCheck& stop);

  // Throws what `step` would throw before any env is touched.
  void check_step(const void* const* actions) const;
  // Steps all envs. `actions`: one array per action leaf. Throws before any env is touched if an action
  // is outside its space or an env needs a reset; EnvFailures after the batch if envs failed.
  void step(const void* const* actions, bool actions_are_float64, const BatchView& out, const StopCheck& stop);

  // SameStep: the last step's final observations and infos, in the rows where the mask is 1.
  const BatchView& final_batch() const { return final_->view(); }
  const std::uint8_t* final_mask() const { return final_mask_.data(); }

  // Envs that the next step may not step: finished (or failed) and not yet reset.
  const std::vector<std::uint8_t>& pending() const { return pending_; }
  std::vector<std::uint8_t>& pending() { return pending_; }
  std::vector<std::int32_t>& elapsed() { return elapsed_; }
  std::vector<std::uint8_t>& started() { return started_; }
  void refresh_started();

  // Writes the current observation of every env.
  void observe(const BatchView& out);
  void render(std::int64_t env, std::uint8_t* pixels);

  // One env's turn, for the asynchronous mode; it writes row `row` of `out`. Called by several threads at
  // once for different envs. A failure is appended to `failures`, and the env is reset at its next turn.
  void step_one(std::int64_t env, const void* const* actions, std::int64_t action_row, bool actions_are_float64,
                const BatchView& out, std::int64_t row, std::vector<EnvFailure>& failures);
  void reset_one(std::int64_t env, const ResetOptions* options, const BatchView& out, std::int64_t row,
                 std::vector<EnvFailure>& failures);
  // Throws EngineError(kInvalidArgument) for options that the env refuses.
  void check_options(const ResetOptions& options);

  // The envs' own parameters (fv_env_type::parameters). Setting one throws EngineError(kInvalidArgument), with nothing
  // changed, for a value that the env refuses.
  std::int64_t num_parameters() const { return engine::num_parameters(type_); }
  double parameter(std::int64_t env, std::int64_t parameter);
  void set_parameter(std::int64_t env, std::int64_t parameter, double value);
  bool parameters_were_set() const { return parameters_were_set_; }
  const std::vector<double>& parameter_defaults() const { return parameter_defaults_; }

  // Steps after which an episode is truncated, at least 1: kNoLimit for none. Until the first `set_time_limit` all envs
  // have the vector's own.
  static constexpr std::int32_t kNoLimit = std::numeric_limits<std::int32_t>::max();
  std::int32_t own_time_limit() const { return max_episode_steps_; }  // 0: none, and then none can be set
  bool time_limits_were_set() const { return !time_limits_.empty(); }
  std::int32_t time_limit(std::int64_t env) const;
  void set_time_limit(std::int64_t env, std::int32_t steps);

  // Throws EngineError(kInvalidAction) for the first action outside its space; `envs[k]` is the env of
  // row k (null: k itself). Envs about to be reset may get any action.
  void check_actions(const void* const* actions, const std::int64_t* envs, std::int64_t rows) const;

  void* vector() { return vector_.get(); }

 private:
  struct Batch;  // one reset or step under way

  void run(Batch& batch, Scheduler& scheduler, RangeFunction function, const StopCheck& stop);
  void step_range(Batch& batch, std::int64_t first, std::int64_t last);
  void reset_range(Batch& batch, std::int64_t first, std::int64_t last);
  void reset_run(Batch& batch, std::int64_t first, std::int64_t last, std::int64_t row);
  void reset_pending(Batch& batch, std::int64_t first, std::int64_t last, std::int64_t row, std::int32_t elapsed);
  void finish_rows(Batch& batch, std::int64_t first, std::int64_t last, std::int64_t row);
  void keep_final(Batch& batch, std::int64_t env, std::int64_t row);
  void fail_row(const BatchView& out, std::int64_t env, std::int64_t row);
  void clear_info_masks(const BatchView& out, std::int64_t row, std::int64_t count);
  void clear_absent_info(const BatchView& out, std::int64_t row, std::int64_t count);
  void require_started() const;

  const fv_env_type& type_;
  EngineOptions options_;
  std::unique_ptr<void, void (*)(void*)> vector_;
  fv_spec spec_;
  Layout layout_;
  std::int32_t max_episode_steps_;         // 0: none
  std::vector<std::int32_t> time_limits_;  // per env; empty: all have max_episode_steps_

  std::vector<fv_rng> rngs_;
  std::vector<std::int32_t> elapsed_;  // steps of the current episode
  std::vector<std::uint8_t> pending_;  // 1: reset before the next step
  std::vector<std::uint8_t> started_;  // 1: was reset at least once
  bool all_started_ = false;
  std::vector<double> parameter_defaults_;
  bool parameters_were_set_ = false;
  std::unique_ptr<BatchMemory> final_;  // SameStep only
  std::vector<std::uint8_t> final_mask_;

  ThreadPool pool_;
  Scheduler scheduler_;        // of steps
  Scheduler reset_scheduler_;  // of resets, which may cost much more or less
};

}  // namespace fastvec::engine
