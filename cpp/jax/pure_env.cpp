#include "jax/pure_env.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include "call.hpp"
#include "fastvec/rng.hpp"
#include "jax/handlers.hpp"

namespace fastvec::jax {

namespace {

constexpr std::int64_t kGeneratorWords = sizeof(fv_rng) / sizeof(std::uint32_t);
constexpr std::int64_t kShared = 128;  // fewer envs are not worth the question how many threads are

// Envs that were made, by their keys. They are never freed: a function that XLA compiled may ask for them at any time.
struct PureEnvTable {
  std::mutex mutex;
  std::map<std::int64_t, std::unique_ptr<PureEnv>> envs;
};
PureEnvTable& pure_env_table() {
  static PureEnvTable& kept = *new PureEnvTable;
  return kept;
}

PureEnv& env_of(const Call& call, std::string& env_id) {
  PureEnv* const env = find_pure_env(call.attribute("env"));
  if (env == nullptr) {
    throw CallError(ffi::kNotFound,
                    "the env of this computation was not made in this process: call fastvec.jax.make first");
  }
  env_id = env->envs().type().id;
  return *env;
}

// The state of a batch: results, which begin as what the arguments hold.
struct State {
  std::byte* bytes;
  engine::EpisodeRows episodes;
  std::int64_t rows;
};

// Takes an array of the state from the results, with `per_row` elements of `size` bytes a row. `from`: what it is to
// hold; null: nothing yet. Where XLA has given the memory of the argument to the result, there is nothing to copy.
void* take_state(Call& call, const ffi::Buffer* from, int dtype, std::int64_t rows, std::int64_t per_row,
                 std::int64_t size, const char* what) {
  ffi::Buffer& buffer = call.result(dtype, what);
  require_elements(buffer, rows * per_row, what);
  if (from != nullptr && from->data != buffer.data) {
    std::memcpy(buffer.data, from->data, static_cast<std::size_t>(rows * per_row * size));
  }
  return buffer.data;
}

State take_results(Call& call, PureEnv& env, std::int64_t rows, const ffi::Buffer* const* from) {
  const auto size = static_cast<std::int64_t>(env.initial_state().size());
  State state{.bytes = nullptr, .episodes = {}, .rows = rows};
  state.bytes = static_cast<std::byte*>(take_state(call, from[0], ffi::kU8, rows, size, 1, "state"));
  state.episodes.rngs =
      static_cast<fv_rng*>(take_state(call, from[1], ffi::kU32, rows, kGeneratorWords, 4, "generators"));
  state.episodes.elapsed = static_cast<std::int32_t*>(take_state(call, from[2], ffi::kS32, rows, 1, 4, "elapsed"));
  state.episodes.pending = static_cast<std::uint8_t*>(take_state(call, from[3], ffi::kPred, rows, 1, 1, "pending"));
  state.episodes.time_limit = env.time_limit();
  const auto align = static_cast<std::uintptr_t>(engine::plain_state(env.envs().type()).align);
  if (reinterpret_cast<std::uintptr_t>(state.bytes) % align != 0 ||
      reinterpret_cast<std::uintptr_t>(state.episodes.rngs) % alignof(fv_rng) != 0) {
    throw CallError(ffi::kInternal, "expected arrays that are aligned to " + std::to_string(align) + " bytes");
  }
  return state;
}

// The state from the arguments.
State take_state_of(Call& call, PureEnv& env) {
  const auto size = static_cast<std::int64_t>(env.initial_state().size());
  const ffi::Buffer* const from[] = {&call.argument(ffi::kU8, "state"), &call.argument(ffi::kU32, "generators"),
                                     &call.argument(ffi::kS32, "elapsed"), &call.argument(ffi::kPred, "pending")};
  const std::int64_t rows = num_elements(*from[2]);
  require_elements(*from[0], rows * size, "state");
  require_elements(*from[1], rows * kGeneratorWords, "generators");
  require_elements(*from[3], rows, "pending");
  return take_results(call, env, rows, from);
}

// A batch on this state. Its rows are the results that follow.
struct PureBatch {
  PureBatch(Call& call, PureEnv& env, const State& state)
      : view(call.rows(env.layout(), state.rows)),
        batch{.envs = env.envs(),
              .layout = env.layout(),
              .episodes = state.episodes,
              .autoreset = env.autoreset(),
              .out = view,
              .states = state.bytes} {
    if (env.autoreset() == engine::AutoresetMode::kSameStep) {
      batch.final_mask = call.final_rows(env.layout(), state.rows, final_rows);
      batch.final_rows = &final_rows;
    }
    call.require_all_taken();
  }

  const engine::BatchView& view;
  engine::BatchView final_rows;
  engine::Batch batch;
};

void run_resets(Call& call, PureEnv& env, PureBatch& pure, std::int64_t rows) {
  call.clear_rewards(rows);
  env.run(
      rows,
      [](void* batch, std::int64_t first, std::int64_t last) {
        engine::reset_range(*static_cast<engine::Batch*>(batch), first, last);
      },
      &pure.batch);
  engine::throw_failures(pure.batch);
  call.finish();
}

void reset(Call& call, std::string& env_id) {
  PureEnv& env = env_of(call, env_id);
  const ffi::Buffer& entropy = call.argument(ffi::kU32, "entropy");
  const std::int64_t words = entropy.rank == 0 ? 0 : entropy.dims[entropy.rank - 1];
  if (words < 1 || words > 4) {
    throw CallError(ffi::kInvalidArgument,
                    "expected 1 to 4 words of entropy for each env, got an array of shape " + shape_of(entropy));
  }
  const std::int64_t rows = num_elements(entropy) / words;
  const ffi::Buffer* const nothing[4] = {};
  const State state = take_results(call, env, rows, nothing);
  const auto* const seeds = static_cast<const std::uint32_t*>(entropy.data);
  const std::size_t size = env.initial_state().size();
  for (std::int64_t i = 0; i < rows; ++i) {
    std::memcpy(state.bytes + static_cast<std::size_t>(i) * size, env.initial_state().data(), size);
    seed_rng(state.episodes.rngs[i], {seeds + i * words, static_cast<std::size_t>(words)});
  }
  PureBatch pure(call, env, state);
  run_resets(call, env, pure, rows);
}

void reset_where(Call& call, std::string& env_id) {
  PureEnv& env = env_of(call, env_id);
  const State state = take_state_of(call, env);
  const ffi::Buffer& mask = call.argument(ffi::kPred, "mask");
  require_elements(mask, state.rows, "mask");
  PureBatch pure(call, env, state);
  pure.batch.mask = static_cast<const std::uint8_t*>(mask.data);
  run_resets(call, env, pure, state.rows);
}

void step(Call& call, std::string& env_id) {
  PureEnv& env = env_of(call, env_id);
  const State state = take_state_of(call, env);
  const engine::ActionView actions =
      call.actions(env.layout(), env.envs().spec().accepts_float64_actions != 0, state.rows);
  PureBatch pure(call, env, state);
  if (env.autoreset() == engine::AutoresetMode::kDisabled) {
    engine::require_no_ended(state.episodes.pending, state.rows, "reset_where(state, mask)");
  }
  engine::check_actions(env.layout(), state.episodes.pending, actions, nullptr, state.rows);
  pure.batch.actions = actions;
  env.run(
      state.rows,
      [](void* batch, std::int64_t first, std::int64_t last) {
        engine::step_range(*static_cast<engine::Batch*>(batch), first, last);
      },
      &pure.batch);
  engine::throw_failures(pure.batch);
  call.finish();
}

constexpr NamedHandler kPureHandlers[] = {
    {"fastvec_pure_reset", [](ffi::CallFrame* frame) { return handle(frame, reset); }},
    {"fastvec_pure_reset_where", [](ffi::CallFrame* frame) { return handle(frame, reset_where); }},
    {"fastvec_pure_step", [](ffi::CallFrame* frame) { return handle(frame, step); }},
};

}  // namespace

std::span<const NamedHandler> pure_handlers() { return kPureHandlers; }

bool is_plain(const fv_env_type& type) { return engine::plain_state(type).size > 0; }

PureEnv::PureEnv(const fv_env_type& type, const engine::Kwargs& kwargs, std::int64_t max_episode_steps,
                 engine::AutoresetMode autoreset, int num_threads)
    : envs_(type, kwargs, 1),
      layout_(envs_.spec()),
      autoreset_(autoreset),
      time_limit_(static_cast<std::int32_t>(
          std::min<std::int64_t>(max_episode_steps >= 0 ? max_episode_steps : envs_.spec().max_episode_steps,
                                 std::numeric_limits<std::int32_t>::max()))),
      num_threads_(num_threads) {
  if (!is_plain(type)) {
    throw engine::EngineError(engine::Fault::kInvalidArgument, std::string(type.id) + ": its state is not plain");
  }
  envs_.save(0, initial_);
}

void PureEnv::run(std::int64_t count, engine::RangeFunction function, void* context) {
  std::unique_lock lock(pool_mutex_, std::defer_lock);
  if (count < kShared || num_threads_ == 1 || !home_.is_here() || !lock.try_lock()) {
    function(context, 0, count);
    return;
  }
  if (!pool_) pool_ = std::make_unique<engine::ThreadPool>(num_threads_, false);
  engine::Work work{.count = count, .grain = 1, .participants = 1, .function = function, .context = context};
  scheduler_.plan(work, *pool_);
  scheduler_.learn(pool_->run(work, {}), count);
}

PureEnv* find_pure_env(std::int64_t key) {
  PureEnvTable& all = pure_env_table();
  const std::lock_guard lock(all.mutex);
  const auto found = all.envs.find(key);
  return found == all.envs.end() ? nullptr : found->second.get();
}

PureEnv& keep_pure_env(std::int64_t key, std::unique_ptr<PureEnv> env) {
  PureEnvTable& all = pure_env_table();
  const std::lock_guard lock(all.mutex);
  return *all.envs.try_emplace(key, std::move(env)).first->second;
}

}  // namespace fastvec::jax
