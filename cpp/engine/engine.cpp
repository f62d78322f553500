#include "engine/engine.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <mutex>
#include <string>
#include <utility>

#include "engine/batch_rows.hpp"
#include "fastvec/flags.hpp"
#include "fastvec/rng.hpp"

namespace fastvec::engine {

namespace {

std::int32_t time_limit_of(const EngineOptions& options, const fv_spec& spec) {
  const std::int64_t limit = options.max_episode_steps >= 0 ? options.max_episode_steps : spec.max_episode_steps;
  return static_cast<std::int32_t>(std::min<std::int64_t>(limit, std::numeric_limits<std::int32_t>::max()));
}

}  // namespace

// What is asked of all ranges of a batch. Row i of every array is env i's.
struct Engine::Batch {
  Engine& engine;
  const BatchView& out;
  ActionView actions{};                   // of a step
  const ResetOptions* options = nullptr;  // of a reset; null: none
  const std::uint8_t* mask = nullptr;     // of a reset: which envs; null: all

  std::mutex mutex{};  // guards the failures, of this batch and of its ranges
  std::vector<EnvFailure> failures{};
};

struct Engine::RangeCall {
  RangeCall(Batch& whole, std::int64_t from, std::int64_t to)
      : batch(whole), out(whole.out), first(from), last(to), io(io_of(whole.out, whole.engine.episodes_.rngs())) {
    io.actions = whole.actions.leaves;
    io.actions_are_float64 = whole.actions.are_float64 ? 1 : 0;
    if (whole.options != nullptr) {
      io.option_values = whole.options->values.data();
      io.option_present = whole.options->present.data();
    }
    io.report_context = this;
    io.report = [](void* context, std::int64_t env, std::int32_t code, const char* message) {
      auto& call = *static_cast<RangeCall*>(context);
      const std::lock_guard lock(call.batch.mutex);  // the env's code may have threads of its own
      call.failures.push_back({env, code, message});
    };
  }

  fv_range range() const { return {first, last, first, first}; }
  std::int64_t count() const { return last - first; }

  Batch& batch;
  const BatchView& out;
  const std::int64_t first, last;
  fv_io io;
  std::vector<EnvFailure> failures;
};

Engine::Engine(const fv_env_type& type, const Kwargs& kwargs, const EngineOptions& options)
    : options_(options),
      envs_(type, kwargs, options.num_envs),
      layout_(envs_.spec()),
      episodes_(options.num_envs, time_limit_of(options, envs_.spec())),
      pool_(options.num_threads, options.pin_threads) {
  if (options.autoreset == AutoresetMode::kSameStep) {
    final_ = std::make_unique<BatchMemory>(layout_, options.num_envs);
    final_mask_.resize(static_cast<std::size_t>(options.num_envs));
  }
}

void Engine::seed(std::span<const std::uint32_t> entropy, std::size_t words, const std::uint8_t* mask) {
  struct Context {
    fv_rng* rngs;
    const std::uint32_t* entropy;
    std::size_t words;
    const std::uint8_t* mask;
  } context{episodes_.rngs(), entropy.data(), words, mask};
  // Hashing a seed takes about 100 ns; a million of them are worth sharing out.
  const Work work{.count = num_envs(),
                  .grain = 1024,
                  .participants = num_envs() >= 4096 ? pool_.num_threads() : 1,
                  .function =
                      [](void* raw, std::int64_t first, std::int64_t last) {
                        const Context& c = *static_cast<Context*>(raw);
                        for (std::int64_t i = first; i < last; ++i) {
                          if (c.mask != nullptr && c.mask[i] == 0) continue;
                          seed_rng(c.rngs[i], {c.entropy + static_cast<std::size_t>(i) * c.words, c.words});
                        }
                      },
                  .context = &context};
  pool_.run(work, {});
}

void Engine::run(Batch& batch, Scheduler& scheduler, RangeFunction function, const StopCheck& stop) {
  Work work{.count = num_envs(), .grain = 1, .participants = 1, .function = function, .context = &batch};
  scheduler.plan(work, pool_);
  const RunReport report = pool_.run(work, stop);
  scheduler.learn(report, work.count);
  if (report.stopped) {
    episodes_.forget_started();
    throw EngineError(Fault::kInterrupted,
                      "interrupted: some envs have stepped and others have not; reset before the next step");
  }
  if (batch.failures.empty()) return;
  std::sort(batch.failures.begin(), batch.failures.end(),
            [](const EnvFailure& a, const EnvFailure& b) { return a.env < b.env; });
  throw EnvFailures(std::move(batch.failures));
}

void Engine::reset(const std::uint8_t* mask, const ResetOptions* options, const BatchView& out, const StopCheck& stop) {
  if (options != nullptr) envs_.check_options(*options);
  Batch batch{.engine = *this, .out = out, .options = options, .mask = mask};
  try {
    run(
        batch, reset_scheduler_,
        [](void* raw, std::int64_t first, std::int64_t last) {
          auto& b = *static_cast<Batch*>(raw);
          b.engine.reset_range(b, first, last);
        },
        stop);
  } catch (const EnvFailures&) {
    episodes_.mark_started(mask);
    throw;
  }
  episodes_.mark_started(mask);
}

void Engine::reset_range(Batch& batch, std::int64_t first, std::int64_t last) {
  RangeCall call(batch, first, last);
  const std::uint8_t* const mask = batch.mask;
  clear_info_masks(call.out, first, call.count());
  if (mask == nullptr) reset_run(call, first, last);
  for (std::int64_t i = first; mask != nullptr && i < last;) {
    const bool is_reset = mask[i] != 0;
    const std::int64_t end = is_reset ? next_clear(mask, i, last) : next_set(mask, i, last);
    if (is_reset) reset_run(call, i, end);
    else envs_.observe({i, end, i, i}, call.io);
    i = end;
  }
  clear_absent_info(layout_, call.out, first, call.count());
  if (!call.failures.empty()) settle_failed(call);
}

void Engine::reset_run(RangeCall& call, std::int64_t first, std::int64_t last) {
  envs_.reset({first, last, first, first}, call.io);
  episodes_.begin(first, last);
}

void Engine::check_step(const ActionView& actions) const {
  if (!episodes_.are_all_started()) {
    throw EngineError(Fault::kNeedsReset, "step: expected every env to be reset first, got env " +
                                              std::to_string(episodes_.first_not_started()) + " without; call reset()");
  }
  if (options_.autoreset == AutoresetMode::kDisabled) {
    const std::int64_t done = episodes_.next_pending(0, num_envs());
    if (done != num_envs()) {
      throw EngineError(Fault::kNeedsReset,
                        "step: with autoreset disabled, expected finished envs to be reset with "
                        "reset(options={'reset_mask': mask}), got env " +
                            std::to_string(done) + " finished and not reset");
    }
  }
  check_actions(layout_, episodes_, actions, nullptr, num_envs());
}

void Engine::step(const ActionView& actions, const BatchView& out, const StopCheck& stop) {
  check_step(actions);
  Batch batch{.engine = *this, .out = out, .actions = actions};
  run(
      batch, scheduler_,
      [](void* raw, std::int64_t first, std::int64_t last) {
        auto& b = *static_cast<Batch*>(raw);
        b.engine.step_range(b, first, last);
      },
      stop);
}

void Engine::step_range(Batch& batch, std::int64_t first, std::int64_t last) {
  RangeCall call(batch, first, last);
  const BatchView& out = call.out;
  clear_info_masks(out, first, call.count());
  const bool any_pending = episodes_.next_pending(first, last) != last;
  if (any_pending) call.io.resetting = episodes_.pending_flags();
  if (!any_pending || episodes_.next_not_pending(first, last) != last) envs_.step(call.range(), call.io);
  episodes_.count_steps(first, last, out.truncated + first);
  if (any_pending) reset_pending(call);
  if (!call.failures.empty()) withdraw_failed(call);
  episodes_.note_ended(first, last, out.terminated + first, out.truncated + first);
  if (options_.autoreset == AutoresetMode::kSameStep) autoreset_same_step(call);
  clear_absent_info(layout_, out, first, call.count());
  if (!call.failures.empty()) settle_failed(call);
}

// Resets the envs that are pending, in place of their step. Whatever their rows got from the others' step is put right.
void Engine::reset_pending(RangeCall& call) {
  const BatchView& out = call.out;
  for (auto i = episodes_.next_pending(call.first, call.last); i < call.last;
       i = episodes_.next_pending(i + 1, call.last)) {
    out.rewards[i] = 0.0;
    out.terminated[i] = 0;
    out.truncated[i] = 0;
    clear_info_masks(out, i, 1);
  }
  envs_.reset(call.range(), call.io);
  episodes_.begin_pending(call.first, call.last);
}

// SameStep: keeps the last observation and info of the episodes that ended, and resets their envs.
void Engine::autoreset_same_step(RangeCall& call) {
  std::memset(final_mask_.data() + call.first, 0, static_cast<std::size_t>(call.count()));
  std::int64_t ended = episodes_.next_pending(call.first, call.last);
  if (ended == call.last) return;
  for (; ended < call.last; ended = episodes_.next_pending(ended + 1, call.last)) {
    final_mask_[static_cast<std::size_t>(ended)] = 1;
    copy_observation_and_info(layout_, call.out, ended, final_->view(), ended);
    clear_info_masks(call.out, ended, 1);
  }
  call.io.resetting = episodes_.pending_flags();
  envs_.reset(call.range(), call.io);
  episodes_.begin_pending(call.first, call.last);
}

// Envs that failed so far have no episode that ends: not by the flags that they left in their rows, nor by their time
// limit.
void Engine::withdraw_failed(RangeCall& call) {
  for (const EnvFailure& failure : call.failures) {
    call.out.terminated[failure.env] = 0;
    call.out.truncated[failure.env] = 0;
    episodes_.begin(failure.env, failure.env + 1);
  }
}

// The range is done: the rows of the envs that failed, which are to be reset at their next turn.
void Engine::settle_failed(RangeCall& call) {
  for (const EnvFailure& failure : call.failures) {
    write_failed_row(layout_, call.out, failure.env);
    episodes_.set_pending(failure.env);
  }
  const std::lock_guard lock(call.batch.mutex);
  auto& all = call.batch.failures;
  all.insert(all.end(), call.failures.begin(), call.failures.end());
}

void Engine::step_one(std::int64_t env, const ActionView& actions, const BatchView& out,
                      std::vector<EnvFailure>& failures) {
  Batch batch{.engine = *this, .out = out, .actions = actions};
  step_range(batch, env, env + 1);
  failures.insert(failures.end(), batch.failures.begin(), batch.failures.end());
}

void Engine::reset_one(std::int64_t env, const ResetOptions* options, const BatchView& out,
                       std::vector<EnvFailure>& failures) {
  // The row is returned as a step's.
  out.rewards[env] = 0.0;
  out.terminated[env] = 0;
  out.truncated[env] = 0;
  if (final_) final_mask_[static_cast<std::size_t>(env)] = 0;
  Batch batch{.engine = *this, .out = out, .options = options};
  reset_range(batch, env, env + 1);
  failures.insert(failures.end(), batch.failures.begin(), batch.failures.end());
}

}  // namespace fastvec::engine
