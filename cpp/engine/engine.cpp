#include "engine/engine.hpp"

#include <algorithm>
#include <cstring>

#include "fastvec/detail/flags.hpp"
#include "fastvec/rng.hpp"

namespace fastvec::engine {

namespace {

using detail::next_clear;
using detail::next_set;

std::string text(const fv_error& error) { return error.message[0] != '\0' ? error.message : "unknown error"; }

EngineError refusal(const fv_error& error) {
  return {error.code == FV_OUT_OF_RANGE ? Fault::kOutOfRange : Fault::kInvalidArgument, text(error)};
}

// Zeros the values whose flag is not set: eight bytes each, of any type.
void keep_where_set(void* values, const std::uint8_t* flags, std::int64_t first, std::int64_t last) {
  auto* const bytes = static_cast<std::byte*>(values);
  for (std::int64_t i = first; i < last; ++i) {
    std::uint64_t value;
    std::memcpy(&value, bytes + i * 8, 8);
    value &= flags[i] != 0 ? ~std::uint64_t{0} : 0;
    std::memcpy(bytes + i * 8, &value, 8);
  }
}

// The spec as this engine's header knows it: what an older env library leaves out is zero.
fv_spec complete(const fv_spec& given) {
  fv_spec spec{};
  std::memcpy(&spec, &given, std::min<std::size_t>(given.struct_size, sizeof spec));
  return spec;
}

}  // namespace

struct Engine::Batch {
  Engine* engine = nullptr;
  const BatchView* out = nullptr;
  const std::uint8_t* mask = nullptr;  // reset: which envs; null: all
  bool steps_all = false;              // step: row i is env i's
  fv_io io;
  std::mutex mutex;  // guards failures
  std::vector<EnvFailure> failures;

  Batch(Engine& owner, const BatchView& view) : engine(&owner), out(&view), io(io_of(view, owner.rngs_.data())) {
    io.report_context = this;
    io.report = [](void* context, std::int64_t env, std::int32_t code, const char* message) {
      auto& batch = *static_cast<Batch*>(context);
      const std::lock_guard lock(batch.mutex);
      batch.failures.push_back({env, code, message});
      if (!batch.steps_all) return;
      // What the row held before is of another step: it must not look like the end of an episode.
      batch.out->terminated[env] = 0;
      batch.out->truncated[env] = 0;
      batch.engine->elapsed_[static_cast<std::size_t>(env)] = -1;
    };
  }
};

Engine::Engine(const fv_env_type& type, const Kwargs& kwargs, const EngineOptions& options)
    : type_(type),
      options_(options),
      vector_(
          [&] {
            fv_error error{};
            void* made = type.create(&type, kwargs.values.data(), options.num_envs, &error);
            if (made == nullptr) {
              if (error.code == FV_INVALID_ARGUMENT || error.code == FV_OUT_OF_RANGE) throw refusal(error);
              throw std::runtime_error(std::string(type.id) + " could not be made: " + text(error));
            }
            return made;
          }(),
          type.destroy),
      spec_(complete(*type.spec(vector()))),
      layout_(spec_),
      rngs_(static_cast<std::size_t>(options.num_envs)),
      elapsed_(static_cast<std::size_t>(options.num_envs)),
      pending_(static_cast<std::size_t>(options.num_envs)),
      started_(static_cast<std::size_t>(options.num_envs)),
      pool_(options.num_threads, options.pin_threads) {
  const std::int64_t limit = options.max_episode_steps >= 0 ? options.max_episode_steps : spec_.max_episode_steps;
  max_episode_steps_ =
      static_cast<std::int32_t>(std::min<std::int64_t>(limit, std::numeric_limits<std::int32_t>::max()));
  if (options.autoreset == AutoresetMode::kSameStep) {
    final_ = std::make_unique<BatchMemory>(layout_, options.num_envs);
    final_mask_.resize(static_cast<std::size_t>(options.num_envs));
  }
  for (std::int64_t i = 0; i < num_parameters(); ++i) {
    parameter_defaults_.push_back(type.get_parameter(vector(), 0, i));
  }
}

void Engine::refresh_started() { all_started_ = std::find(started_.begin(), started_.end(), 0) == started_.end(); }

void Engine::seed(std::span<const std::uint32_t> entropy, std::size_t words, const std::uint8_t* mask) {
  struct Context {
    Engine* engine;
    const std::uint32_t* entropy;
    std::size_t words;
    const std::uint8_t* mask;
  } context{this, entropy.data(), words, mask};
  // Hashing a seed takes about 100 ns; a million of them are worth sharing out.
  const Work work{.count = num_envs(),
                  .grain = 1024,
                  .participants = num_envs() >= 4096 ? pool_.num_threads() : 1,
                  .function =
                      [](void* raw, std::int64_t first, std::int64_t last) {
                        const Context& c = *static_cast<Context*>(raw);
                        for (std::int64_t i = first; i < last; ++i) {
                          if (c.mask != nullptr && c.mask[i] == 0) continue;
                          seed_rng(c.engine->rng(i), {c.entropy + static_cast<std::size_t>(i) * c.words, c.words});
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
    std::fill(started_.begin(), started_.end(), std::uint8_t{0});
    all_started_ = false;
    throw EngineError(Fault::kInterrupted,
                      "interrupted: some envs have stepped and others have not; reset before the next step");
  }
  if (batch.failures.empty()) return;
  for (const EnvFailure& failure : batch.failures) {
    fail_row(*batch.out, failure.env, failure.env);
  }
  std::sort(batch.failures.begin(), batch.failures.end(),
            [](const EnvFailure& a, const EnvFailure& b) { return a.env < b.env; });
  throw EnvFailures(std::move(batch.failures));
}

// The row of a failed env: zeros, truncated, without info, to be reset at its next turn.
void Engine::fail_row(const BatchView& out, std::int64_t env, std::int64_t row) {
  pending_[static_cast<std::size_t>(env)] = 1;
  for (std::size_t i = 0; i < layout_.observations.size(); ++i) {
    const auto bytes = layout_.observations[i].row_bytes;
    std::memset(static_cast<std::byte*>(out.observations[i]) + row * bytes, 0, static_cast<std::size_t>(bytes));
  }
  out.rewards[row] = 0.0;
  out.terminated[row] = 0;
  out.truncated[row] = 1;
  clear_info_masks(out, row, 1);
  clear_absent_info(out, row, 1);
}

void Engine::clear_info_masks(const BatchView& out, std::int64_t row, std::int64_t count) {
  for (std::uint8_t* mask : out.info_mask) std::memset(mask + row, 0, static_cast<std::size_t>(count));
}

// Rows that an env did not write read as zeros, whatever the buffer held before.
void Engine::clear_absent_info(const BatchView& out, std::int64_t row, std::int64_t count) {
  for (std::size_t i = 0; i < out.info.size(); ++i) {
    const std::int64_t bytes = layout_.info[i].row_bytes;
    const std::uint8_t* const mask = out.info_mask[i];
    std::int64_t first = next_clear(mask, row, row + count);
    if (bytes == 8) {
      // A number per row, as most are. Rows come and go with the episodes, so runs are short: masking all of them
      // costs less than to look for those.
      keep_where_set(out.info[i], mask, first, row + count);
      continue;
    }
    while (first < row + count) {
      const std::int64_t last = next_set(mask, first, row + count);
      std::memset(static_cast<std::byte*>(out.info[i]) + first * bytes, 0,
                  static_cast<std::size_t>((last - first) * bytes));
      first = next_clear(mask, last, row + count);
    }
  }
}

void Engine::require_started() const {
  if (all_started_) return;
  const auto at = std::find(started_.begin(), started_.end(), 0) - started_.begin();
  throw EngineError(Fault::kNeedsReset, "step: expected every env to be reset first, got env " + std::to_string(at) +
                                            " without; call reset()");
}

std::int64_t num_parameters(const fv_env_type& type) {
  return type.struct_size >= sizeof(fv_env_type) ? type.num_parameters : 0;  // an older library has none
}

double Engine::parameter(std::int64_t env, std::int64_t parameter) {
  return type_.get_parameter(vector(), env, parameter);
}

void Engine::set_parameter(std::int64_t env, std::int64_t parameter, double value) {
  fv_error error{};
  if (type_.set_parameter(vector(), env, parameter, value, &error) != FV_OK) {
    throw EngineError(Fault::kInvalidArgument, "env " + std::to_string(env) + ": " + text(error));
  }
  parameters_were_set_ = true;
}

std::int32_t Engine::time_limit(std::int64_t env) const {
  if (time_limits_.empty()) return max_episode_steps_ > 0 ? max_episode_steps_ : kNoLimit;
  return time_limits_[static_cast<std::size_t>(env)];
}

void Engine::set_time_limit(std::int64_t env, std::int32_t steps) {
  if (max_episode_steps_ == 0) {
    throw EngineError(Fault::kInvalidArgument, "expected no time limit for envs that were made without, got " +
                                                   std::to_string(steps) + " for env " + std::to_string(env));
  }
  if (time_limits_.empty()) time_limits_.assign(elapsed_.size(), max_episode_steps_);
  time_limits_[static_cast<std::size_t>(env)] = std::max(1, steps);
}

void Engine::check_options(const ResetOptions& options) {
  fv_error error{};
  if (type_.check_options != nullptr &&
      type_.check_options(vector(), options.values.data(), options.present.data(), &error) != FV_OK) {
    throw refusal(error);
  }
}

void Engine::reset(const std::uint8_t* mask, const ResetOptions* options, const BatchView& out, const StopCheck& stop) {
  Batch batch(*this, out);
  batch.mask = mask;
  if (options != nullptr) {
    check_options(*options);
    batch.io.option_values = options->values.data();
    batch.io.option_present = options->present.data();
  }
  const auto mark = [&] {
    for (std::int64_t i = 0; i < num_envs(); ++i) {
      if (mask == nullptr || mask[i] != 0) started_[static_cast<std::size_t>(i)] = 1;
    }
    refresh_started();
  };
  try {
    run(
        batch, reset_scheduler_,
        [](void* raw, std::int64_t first, std::int64_t last) {
          auto& b = *static_cast<Batch*>(raw);
          b.engine->reset_range(b, first, last);
        },
        stop);
  } catch (const EnvFailures&) {
    mark();
    throw;
  }
  mark();
}

void Engine::reset_range(Batch& batch, std::int64_t first, std::int64_t last) {
  clear_info_masks(*batch.out, first, last - first);
  for (std::int64_t i = first; i < last;) {
    if (batch.mask == nullptr) {
      reset_run(batch, i, last, i);
      i = last;
    } else if (batch.mask[i] != 0) {
      const std::int64_t end = next_clear(batch.mask, i, last);
      reset_run(batch, i, end, i);
      i = end;
    } else {
      const std::int64_t end = next_set(batch.mask, i, last);
      const fv_range range{i, end, i, i};
      type_.observe(vector(), &range, &batch.io);
      i = end;
    }
  }
  clear_absent_info(*batch.out, first, last - first);
}

// Resets envs [first, last), whose rows start at `row`.
void Engine::reset_run(Batch& batch, std::int64_t first, std::int64_t last, std::int64_t row) {
  const fv_range range{first, last, row, row};
  type_.reset(vector(), &range, &batch.io);
  std::memset(pending_.data() + first, 0, static_cast<std::size_t>(last - first));
  std::fill(elapsed_.begin() + first, elapsed_.begin() + last, 0);
}

void Engine::check_step(const void* const* actions) const {
  require_started();
  if (options_.autoreset == AutoresetMode::kDisabled) {
    const std::int64_t done = next_set(pending_.data(), 0, num_envs());
    if (done != num_envs()) {
      throw EngineError(Fault::kNeedsReset,
                        "step: with autoreset disabled, expected finished envs to be reset with "
                        "reset(options={'reset_mask': mask}), got env " +
                            std::to_string(done) + " finished and not reset");
    }
  }
  check_actions(actions, nullptr, num_envs());
}

void Engine::step(const void* const* actions, bool actions_are_float64, const BatchView& out, const StopCheck& stop) {
  check_step(actions);
  Batch batch(*this, out);
  batch.steps_all = true;
  batch.io.actions = actions;
  batch.io.actions_are_float64 = actions_are_float64 ? 1 : 0;
  run(
      batch, scheduler_,
      [](void* raw, std::int64_t first, std::int64_t last) {
        auto& b = *static_cast<Batch*>(raw);
        b.engine->step_range(b, first, last);
      },
      stop);
}

void Engine::step_range(Batch& batch, std::int64_t first, std::int64_t last) {
  const std::int64_t count = last - first;
  clear_info_masks(*batch.out, first, count);
  const fv_range range{first, last, first, first};
  if (next_set(pending_.data(), first, last) == last) {
    type_.step(vector(), &range, &batch.io);
  } else {
    fv_io io = batch.io;
    io.resetting = pending_.data();
    type_.step(vector(), &range, &io);
    const BatchView& out = *batch.out;
    for (auto i = next_set(pending_.data(), first, last); i < last; i = next_set(pending_.data(), i + 1, last)) {
      out.rewards[i] = 0.0;
      out.terminated[i] = 0;
      out.truncated[i] = 0;
      clear_info_masks(out, i, 1);
    }
    reset_pending(batch, first, last, first, max_episode_steps_ > 0 ? -1 : 0);  // finish_rows makes -1 a 0
  }
  finish_rows(batch, first, last, first);
  clear_absent_info(*batch.out, first, count);
}

// Resets those of envs [first, last) that are pending, and sets their elapsed steps. Row `row` is env `first`'s.
void Engine::reset_pending(Batch& batch, std::int64_t first, std::int64_t last, std::int64_t row,
                           std::int32_t elapsed) {
  fv_io io = batch.io;
  io.resetting = pending_.data();
  const fv_range range{first, last, row, row};
  type_.reset(vector(), &range, &io);
  for (auto i = next_set(pending_.data(), first, last); i < last; i = next_set(pending_.data(), i + 1, last)) {
    elapsed_[static_cast<std::size_t>(i)] = elapsed;
  }
  std::memset(pending_.data() + first, 0, static_cast<std::size_t>(last - first));
}

// After the envs' own step: time limit, what is pending, and SameStep's resets.
void Engine::finish_rows(Batch& batch, std::int64_t first, std::int64_t last, std::int64_t row) {
  const std::int64_t count = last - first;
  const std::uint8_t* terminated = batch.out->terminated + row;
  std::uint8_t* truncated = batch.out->truncated + row;
  std::int32_t* elapsed = elapsed_.data() + first;
  std::uint8_t* pending = pending_.data() + first;
  const auto count_steps = [&](auto limit_of) {
    for (std::int64_t k = 0; k < count; ++k) {
      elapsed[k] += 1;
      truncated[k] = static_cast<std::uint8_t>(truncated[k] | (elapsed[k] >= limit_of(k) ? 1 : 0));
    }
  };
  if (!time_limits_.empty()) {
    count_steps([limits = time_limits_.data() + first](std::int64_t k) { return limits[k]; });
  } else if (max_episode_steps_ > 0) {
    count_steps([limit = max_episode_steps_](std::int64_t) { return limit; });
  }
  for (std::int64_t k = 0; k < count; ++k) pending[k] = static_cast<std::uint8_t>(terminated[k] | truncated[k]);

  if (options_.autoreset != AutoresetMode::kSameStep) return;
  std::memset(final_mask_.data() + first, 0, static_cast<std::size_t>(count));
  for (std::int64_t i = next_set(pending_.data(), first, last); i < last; i = next_set(pending_.data(), i + 1, last)) {
    keep_final(batch, i, row + (i - first));
  }
  if (next_set(pending_.data(), first, last) != last) reset_pending(batch, first, last, row, 0);
}

// Moves the observation and info of a finished episode from its row to the final batch.
void Engine::keep_final(Batch& batch, std::int64_t env, std::int64_t row) {
  const BatchView& kept = final_->view();
  final_mask_[static_cast<std::size_t>(env)] = 1;
  const auto copy = [](void* to, std::int64_t to_row, const void* from, std::int64_t from_row, std::int64_t bytes) {
    std::memcpy(static_cast<std::byte*>(to) + to_row * bytes, static_cast<const std::byte*>(from) + from_row * bytes,
                static_cast<std::size_t>(bytes));
  };
  for (std::size_t i = 0; i < layout_.observations.size(); ++i) {
    copy(kept.observations[i], env, batch.out->observations[i], row, layout_.observations[i].row_bytes);
  }
  for (std::size_t i = 0; i < layout_.info.size(); ++i) {
    const std::uint8_t written = batch.out->info_mask[i][row];
    kept.info_mask[i][env] = written;
    if (written != 0) {
      copy(kept.info[i], env, batch.out->info[i], row, layout_.info[i].row_bytes);
    } else {
      std::memset(static_cast<std::byte*>(kept.info[i]) + env * layout_.info[i].row_bytes, 0,
                  static_cast<std::size_t>(layout_.info[i].row_bytes));
    }
    batch.out->info_mask[i][row] = 0;
  }
}

void Engine::observe(const BatchView& out) {
  Batch batch(*this, out);
  const fv_range range{0, num_envs(), 0, 0};
  type_.observe(vector(), &range, &batch.io);
  if (!batch.failures.empty()) throw EnvFailures(std::move(batch.failures));
}

void Engine::render(std::int64_t env, std::uint8_t* pixels) {
  fv_error error{};
  if (type_.render(vector(), env, pixels, &error) != FV_OK) {
    throw EnvFailures({{env, error.code, text(error)}});
  }
}

void Engine::step_one(std::int64_t env, const void* const* actions, std::int64_t action_row, bool actions_are_float64,
                      const BatchView& out, std::int64_t row, std::vector<EnvFailure>& failures) {
  if (pending_[static_cast<std::size_t>(env)] != 0) return reset_one(env, nullptr, out, row, failures);
  Batch batch(*this, out);
  batch.io.actions = actions;
  batch.io.actions_are_float64 = actions_are_float64 ? 1 : 0;
  clear_info_masks(out, row, 1);
  const fv_range range{env, env + 1, action_row, row};
  type_.step(vector(), &range, &batch.io);
  if (batch.failures.empty()) finish_rows(batch, env, env + 1, row);
  clear_absent_info(out, row, 1);
  if (batch.failures.empty()) return;
  fail_row(out, env, row);
  failures.insert(failures.end(), batch.failures.begin(), batch.failures.end());
}

void Engine::reset_one(std::int64_t env, const ResetOptions* options, const BatchView& out, std::int64_t row,
                       std::vector<EnvFailure>& failures) {
  Batch batch(*this, out);
  if (options != nullptr) {
    batch.io.option_values = options->values.data();
    batch.io.option_present = options->present.data();
  }
  clear_info_masks(out, row, 1);
  reset_run(batch, env, env + 1, row);
  out.rewards[row] = 0.0;
  out.terminated[row] = 0;
  out.truncated[row] = 0;
  if (final_) final_mask_[static_cast<std::size_t>(env)] = 0;
  clear_absent_info(out, row, 1);
  if (batch.failures.empty()) return;
  fail_row(out, env, row);
  failures.insert(failures.end(), batch.failures.begin(), batch.failures.end());
}

namespace {

// Which of `rows` rows of `width` values lie outside [start, start + n), by one pass without branches:
// with u = value - start, the sign bit of (n - 1 - u) | u is set exactly if u is not in [0, n).
bool all_within(const std::int64_t* values, std::int64_t count, std::int64_t start, std::int64_t n) {
  std::uint64_t outside = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint64_t u = static_cast<std::uint64_t>(values[i]) - static_cast<std::uint64_t>(start);
    outside |= (static_cast<std::uint64_t>(n - 1) - u) | u;
  }
  return (outside >> 63) == 0;
}

[[noreturn]] void refuse(std::int64_t env, std::int64_t got, std::int64_t first, std::int64_t last) {
  throw EngineError(Fault::kInvalidAction, "expected actions from " + std::to_string(first) + " to " +
                                               std::to_string(last) + ", got " + std::to_string(got) + " for env " +
                                               std::to_string(env));
}

}  // namespace

void Engine::check_actions(const void* const* actions, const std::int64_t* envs, std::int64_t rows) const {
  for (std::size_t i = 0; i < layout_.actions.size(); ++i) {
    const fv_space& space = *layout_.actions[i].space;
    const auto ignored = [&](std::int64_t env) { return pending_[static_cast<std::size_t>(env)] != 0; };
    const auto env_of = [&](std::int64_t row) { return envs == nullptr ? row : envs[row]; };
    if (space.kind == FV_SPACE_DISCRETE) {
      const auto* values = static_cast<const std::int64_t*>(actions[i]);
      if (all_within(values, rows, space.start, space.n)) continue;
      for (std::int64_t row = 0; row < rows; ++row) {
        if (!all_within(values + row, 1, space.start, space.n) && !ignored(env_of(row))) {
          refuse(env_of(row), values[row], space.start, space.start + space.n - 1);
        }
      }
    } else if (space.kind == FV_SPACE_MULTI_DISCRETE) {
      const auto* values = static_cast<const std::int64_t*>(actions[i]);
      const std::int64_t width = layout_.actions[i].row_bytes / static_cast<std::int64_t>(sizeof(std::int64_t));
      for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t k = 0; k < width; ++k) {
          const std::int64_t value = values[row * width + k];
          if ((value < 0 || value >= space.nvec[k]) && !ignored(env_of(row))) {
            refuse(env_of(row), value, 0, space.nvec[k] - 1);
          }
        }
      }
    } else if (space.kind == FV_SPACE_MULTI_BINARY) {
      const auto* values = static_cast<const std::int8_t*>(actions[i]);
      const std::int64_t width = layout_.actions[i].row_bytes;
      for (std::int64_t at = 0; at < rows * width; ++at) {
        if ((values[at] & ~1) != 0 && !ignored(env_of(at / width))) refuse(env_of(at / width), values[at], 0, 1);
      }
    }
  }
}

}  // namespace fastvec::engine
