#include "engine/engine.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <mutex>
#include <string>
#include <utility>

#include "fastvec/rng.hpp"

namespace fastvec::engine {

namespace {

std::int32_t time_limit_of(const EngineOptions& options, const fv_spec& spec) {
  const std::int64_t limit = options.max_episode_steps >= 0 ? options.max_episode_steps : spec.max_episode_steps;
  return static_cast<std::int32_t>(std::min<std::int64_t>(limit, std::numeric_limits<std::int32_t>::max()));
}

}  // namespace

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
  throw_failures(batch);
}

Batch Engine::batch_for(const BatchView& out) {
  return {.envs = envs_,
          .layout = layout_,
          .episodes = episodes_.rows(),
          .autoreset = options_.autoreset,
          .out = out,
          .final_rows = final_ ? &final_->view() : nullptr,
          .final_mask = final_mask_.data()};
}

void Engine::reset(const std::uint8_t* mask, const ResetOptions* options, const BatchView& out, const StopCheck& stop) {
  if (options != nullptr) envs_.check_options(*options);
  Batch batch = batch_for(out);
  batch.options = options;
  batch.mask = mask;
  try {
    run(
        batch, reset_scheduler_,
        [](void* raw, std::int64_t first, std::int64_t last) { reset_range(*static_cast<Batch*>(raw), first, last); },
        stop);
  } catch (const EnvFailures&) {
    episodes_.mark_started(mask);
    throw;
  }
  episodes_.mark_started(mask);
}

void Engine::check_step(const ActionView& actions) const {
  if (!episodes_.are_all_started()) {
    throw EngineError(Fault::kNeedsReset, "step: expected every env to be reset first, got env " +
                                              std::to_string(episodes_.first_not_started()) + " without; call reset()");
  }
  if (options_.autoreset == AutoresetMode::kDisabled) {
    require_no_ended(episodes_.pending_flags(), num_envs(), "reset(options={'reset_mask': mask})");
  }
  check_actions(layout_, episodes_.pending_flags(), actions, nullptr, num_envs());
}

void Engine::step(const ActionView& actions, const BatchView& out, const StopCheck& stop) {
  check_step(actions);
  Batch batch = batch_for(out);
  batch.actions = actions;
  run(
      batch, scheduler_,
      [](void* raw, std::int64_t first, std::int64_t last) { step_range(*static_cast<Batch*>(raw), first, last); },
      stop);
}

void Engine::step_one(std::int64_t env, const ActionView& actions, const BatchView& out,
                      std::vector<EnvFailure>& failures) {
  Batch batch = batch_for(out);
  batch.actions = actions;
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
  Batch batch = batch_for(out);
  batch.options = options;
  reset_range(batch, env, env + 1);
  failures.insert(failures.end(), batch.failures.begin(), batch.failures.end());
}

}  // namespace fastvec::engine
