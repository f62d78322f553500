// fastvec/kernel.hpp: the engine's rules for one env, for a thread of a GPU that has one.
//
// Included by the sources that fastvec.gpu_kernels writes, before the header of their env. Such a source compiles to
// PTX and, unchanged, for the host, where its kernels are plain loops that give the engine's bytes. On a GPU all
// operations are the same, in the same order and precision, but the functions of <cmath> are another library's: there
// an env that calls sin, cos, exp, pow... may differ in the last bits, and one that does not is equal to the last bit.
//
// Authors write nothing of this page: fastvec.gpu_kernels.generate does (docs/gpu_kernels.md). It is what
// detail/vector.hpp and the engine are on a CPU, in one place: seeding, autoreset in three modes, the time limit,
// failures.
//
// Threads: a thread has one env, and touches the rows of no other; what all share is only read. One launch is one step
// of all envs; launches that touch the same arrays follow one another on one stream. Memory: the arrays of Batch and
// Outcome are the caller's, one row per env, and belong to the kernels during a launch. They are not taken, not kept
// and not given back here. Steps are counted in int32, rewards are float64, flags bytes of 0 or 1.
//
// What an env needs for it: a state, a Config and a Shared that are plain (trivially copyable, no virtual functions), a
// number or a std::span of known extent as Action and as Observation, and a `reset` and `step` that use no memory from
// the heap. A `throw` ends the turn of its env, as on the CPU: the row is zeros and truncated, the status kFailed, and
// the env is reset at its next turn; there is no message. Infos are left out, and Discrete actions are not checked.
#pragma once

#if !defined(FASTVEC_KERNEL)
#error "define FASTVEC_KERNEL before the first header of fastvec: the source of a kernel has no engine"
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <tuple>
#include <type_traits>

#include "fastvec/detail/requirements.hpp"
#include "fastvec/env.hpp"

// An entry point, and data that is read by its name (to stand in `extern "C" {}`).
#if defined(__CUDACC_RTC__)
#define FASTVEC_KERNEL_FUNCTION extern "C" __global__ void
#define FASTVEC_KERNEL_DATA __device__
#define FASTVEC_RESTRICT __restrict__
#else
#define FASTVEC_KERNEL_FUNCTION extern "C" FASTVEC_EXPORT void
#define FASTVEC_KERNEL_DATA FASTVEC_EXPORT
#define FASTVEC_RESTRICT __restrict
#endif

namespace fastvec::kernel {

// As gymnasium.vector.AutoresetMode: what comes after an episode's end.
enum class Autoreset { kNextStep, kSameStep, kDisabled };

// Can a turn end by a `throw`? Defined where the compiled kernels have been seen to have none; it saves their stores.
#if defined(FASTVEC_NEVER_THROWS)
inline constexpr bool kThrows = false;
#else
inline constexpr bool kThrows = true;
#endif

// What an env's next turn is.
enum Status : std::uint8_t {
  kRunning = 0,
  kFinished = 1,  // its episode is over, and it was not reset yet
  kFailed = 2,    // so is this one's: its last turn failed
};

// Elements of a row whose type does not say it, std::span<T>: 0 where the source does not say it either.
#if !defined(FASTVEC_OBSERVATION_WIDTH)
#define FASTVEC_OBSERVATION_WIDTH 0
#endif
#if !defined(FASTVEC_ACTION_WIDTH)
#define FASTVEC_ACTION_WIDTH 0
#endif

// The type of one row, if a kernel can have it: one number or an array of known extent.
template <class Row>
struct RowOf {
  static constexpr bool kFits = std::is_arithmetic_v<std::remove_reference_t<Row>>;
  static constexpr std::int64_t kWidth = 1;
  using Element = std::remove_cvref_t<Row>;
};
// A span: of its own extent, or of the width that the source gives.
template <class T, std::size_t N>
struct RowOf<std::span<T, N>> {
  static constexpr std::int64_t kGiven = std::is_const_v<T> ? FASTVEC_ACTION_WIDTH : FASTVEC_OBSERVATION_WIDTH;
  static constexpr std::int64_t kWidth = N == std::dynamic_extent ? kGiven : static_cast<std::int64_t>(N);
  static constexpr bool kFits = kWidth > 0;
  using Element = std::remove_const_t<T>;
};

// What every env has to offer; not of one whose state is not plain, which would be told to offer `save`.
template <class Env>
constexpr bool meets_requirements() {
  if constexpr (std::is_trivially_copyable_v<Env>) return detail::Requirements<Env>::kMet;
  else return true;
}

// Refuses, in the author's words, what cannot go.
template <class Env>
struct Checked {
  using Config = typename Env::Config;
  using Shared = typename detail::SharedOf<Env>::type;
  using Action = typename Env::Action;
  using Observation = typename Env::Observation;

  static_assert(meets_requirements<Env>());
  static_assert(!std::is_polymorphic_v<Env>, "fastvec: the env has virtual functions; a kernel calls it by its type");
  static_assert(
      std::is_trivially_copyable_v<Env>,
      "fastvec: the env's state is not plain; a kernel copies it as bytes, so no member takes memory from the "
      "heap: std::array in place of std::vector and std::string");
  static_assert(
      std::is_trivially_copyable_v<Config>,
      "fastvec: the env's Config is not plain; a kernel has it in a GPU's memory: numbers, bools and std::array "
      "only");
  static_assert(
      std::is_same_v<Shared, Config> || std::is_trivially_copyable_v<Shared>,
      "fastvec: the env's Shared is not plain; a kernel has it in a GPU's memory: numbers, bools and std::array "
      "only");
  static_assert(
      std::is_default_constructible_v<Env>,
      "fastvec: the env is made from (Shared, index): what it works on lies outside its state, where a kernel "
      "does not reach");
  static_assert(std::is_default_constructible_v<Config>, "fastvec: the env's Config has no default constructor");
  static_assert(
      RowOf<Action>::kFits,
      "fastvec: the env's Action is neither a number nor a std::span of fixed extent, such as std::span<const "
      "float, 3>; for a std::span<const float> give its extent as action_width=");
  static_assert(RowOf<Observation>::kFits,
                "fastvec: the env's Observation is neither a number nor a std::span of fixed extent, such as "
                "std::span<float, 3>; for a std::span<float> give its extent as observation_width=");
  static_assert(!RowOf<Action>::kFits || FASTVEC_ACTION_WIDTH == 0 || FASTVEC_ACTION_WIDTH == RowOf<Action>::kWidth,
                "fastvec: action_width= is not the extent of the env's Action");
  static_assert(!RowOf<Observation>::kFits || FASTVEC_OBSERVATION_WIDTH == 0 ||
                    FASTVEC_OBSERVATION_WIDTH == RowOf<Observation>::kWidth,
                "fastvec: observation_width= is not the extent of the env's Observation");
};

// Calls `body(env)` for each env: this thread's, or all of them on the host.
template <class Body>
FASTVEC_ALWAYS_INLINE void for_each_env(std::int64_t num_envs, const Body& body) {
#if defined(__CUDACC_RTC__)
  const std::int64_t env = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (env < num_envs) body(env);
#else
  for (std::int64_t env = 0; env < num_envs; ++env) body(env);
#endif
}

// Calls `turn`. False: it threw. (On a GPU the thread has ended then, and nothing returns.)
template <class Turn>
FASTVEC_ALWAYS_INLINE bool completes(const Turn& turn) {
#if defined(__CUDACC_RTC__)
  turn();
  return true;
#else
  try {
    turn();
    return true;
  } catch (...) {
    return false;
  }
#endif
}

// Does a Config declare this keyword argument or parameter?
template <class Config>
constexpr bool declares(const char* name) {
  const auto same = [name](const char* declared) {
    const char* wanted = name;
    while (*declared != '\0' && *declared == *wanted) ++declared, ++wanted;
    return *declared == *wanted;
  };
  const auto any = [&](const auto&... members) { return (same(members.name) || ... || false); };
  bool found = false;
  if constexpr (requires { Config::kwargs(); }) found = found || std::apply(any, Config::kwargs());
  if constexpr (requires { Config::parameters(); }) found = found || std::apply(any, Config::parameters());
  return found;
}

// Sets the keyword argument or parameter of this name.
template <class Config, class T>
void assign(Config& config, const char* name, T value) {
  const auto assign_if = [&](const auto& member) {
    const char *declared = member.name, *wanted = name;
    while (*declared != '\0' && *declared == *wanted) ++declared, ++wanted;
    if (*declared == *wanted)
      config.*(member.member) = static_cast<std::remove_reference_t<decltype(config.*(member.member))>>(value);
  };
  const auto assign_all = [&](const auto&... members) { (assign_if(members), ...); };
  if constexpr (requires { Config::kwargs(); }) std::apply(assign_all, Config::kwargs());
  if constexpr (requires { Config::parameters(); }) std::apply(assign_all, Config::parameters());
}

// How many numbers `reset(options=...)` may carry.
template <class Env>
constexpr std::int64_t num_options() {
  if constexpr (requires { Env::kOptions; }) return static_cast<std::int64_t>(Env::kOptions.size());
  else return 0;
}

// The arrays of a batch, one row per env. Pointers to a GPU's memory, or to the host's.
template <class Env>
struct Batch {
  const typename Checked<Env>::Shared* shared;
  Env* states;
  fv_rng* rngs;
  std::int32_t* elapsed;  // steps of the episode
  std::uint8_t* status;   // Status
  typename RowOf<typename Env::Observation>::Element* observations;
};

// What a step writes besides.
struct Outcome {
  double* rewards;
  std::uint8_t* terminated;
  std::uint8_t* truncated;
};

// As Engine::fail_row leaves a row: what is read if the turn that follows does not complete. One that completes writes
// all of this again.
template <class Env>
FASTVEC_ALWAYS_INLINE void expect_failure(const Batch<Env>& batch, std::int64_t env) {
  if constexpr (!kThrows) return;
  constexpr std::int64_t kWidth = RowOf<typename Env::Observation>::kWidth;
  batch.status[env] = kFailed;
  batch.elapsed[env] = 0;
  for (std::int64_t i = 0; i < kWidth; ++i) batch.observations[env * kWidth + i] = {};
}

template <class Env>
FASTVEC_ALWAYS_INLINE void expect_failure(const Batch<Env>& batch, const Outcome& out, std::int64_t env) {
  if constexpr (!kThrows) return;
  expect_failure(batch, env);
  out.rewards[env] = 0.0;
  out.terminated[env] = 0;
  out.truncated[env] = 1;
}

template <class Env>
FASTVEC_ALWAYS_INLINE typename Env::Observation observation_row(const Batch<Env>& batch, std::int64_t env) {
  void* const leaf = batch.observations;
  const Column column{RowOf<typename Env::Observation>::kWidth, 0};
  return detail::RowAccess<typename Env::Observation, void*>(&leaf, Columns(&column, 1)).at(env);
}

// `state` is this env's, in the thread's registers.
template <class Env>
FASTVEC_ALWAYS_INLINE void reset_state(const Batch<Env>& batch, std::int64_t env, Env& state, const Options& options) {
  Rng rng(batch.rngs[env]);
  if constexpr (detail::Offers<Env>::kResetTakesInfo) {
    Info info(nullptr, nullptr, {}, 0);
    state.reset(*batch.shared, rng, options, info);
  } else {
    state.reset(*batch.shared, rng, options);
  }
  state.observe(*batch.shared, observation_row(batch, env));
}

template <class Env>
FASTVEC_ALWAYS_INLINE StepResult step_state(const Batch<Env>& batch, std::int64_t env, Env& state,
                                            const void* actions) {
  using Action = typename Env::Action;
  const auto& shared = *batch.shared;
  const Column action_column{RowOf<Action>::kWidth, 0}, observation_column{RowOf<typename Env::Observation>::kWidth, 0};
  const auto action = [&] {
    return detail::RowAccess<Action, const void*>(&actions, Columns(&action_column, 1)).at(env);
  };
  Rng rng(batch.rngs[env]);
  StepResult result;
  if constexpr (detail::Offers<Env>::kStepTakesInfo) {
    Info info(nullptr, nullptr, {}, 0);
    result = state.step(shared, action(), rng, info);
    state.observe(shared, observation_row(batch, env));
  } else if constexpr (requires { state.step(shared, action(), rng); }) {
    result = state.step(shared, action(), rng);
    state.observe(shared, observation_row(batch, env));
  } else {
    // The author's own loop, over one env: arrays of this thread's own, and rows of the batch's.
    double reward = 0.0;
    std::uint8_t terminated = 0, truncated = 0;
    void* observations = batch.observations + env * RowOf<typename Env::Observation>::kWidth;
    using Element = typename RowOf<Action>::Element;
    const void* row = static_cast<const Element*>(actions) + env * RowOf<Action>::kWidth;
    fv_io io{};
    io.struct_size = sizeof io;
    io.actions = &row;
    io.observations = &observations;
    io.rewards = &reward;
    io.terminated = &terminated;
    io.truncated = &truncated;
    io.rngs = batch.rngs + env;
    const fv_range range{0, 1, 0, 0};
    Env::step_range(shared, StepRange<Env>(std::span<Env>(&state, 1), range, io, Columns(&action_column, 1),
                                           Columns(&observation_column, 1), {}));
    result = {reward, terminated != 0, truncated != 0};
  }
  return result;
}

// What all envs share, made from their Config.
template <class Env>
FASTVEC_ALWAYS_INLINE void make_shared(typename Checked<Env>::Shared* shared, const typename Env::Config& config) {
  const typename Checked<Env>::Shared made(config);
  std::memcpy(static_cast<void*>(shared), &made, sizeof made);
}

// Makes env `env`: its first state, before any reset.
template <class Env>
FASTVEC_ALWAYS_INLINE void create(const Batch<Env>& batch, std::int64_t env) {
  batch.states[env] = Env();
  batch.rngs[env] = fv_rng{};
  batch.elapsed[env] = 0;
  batch.status[env] = kFinished;
}

// Engine::reset for one env. `seeds`: null, or one per env, as `reset(seed=...)` gives them out.
template <class Env>
FASTVEC_ALWAYS_INLINE void reset(const Batch<Env>& batch, std::int64_t env, const std::uint64_t* seeds,
                                 const std::uint8_t* mask, const Options& options) {
  if (mask != nullptr && mask[env] == 0) return;
  if (seeds != nullptr) seed_rng(batch.rngs[env], seeds[env]);
  expect_failure(batch, env);
  Env state = batch.states[env];
  if (!completes([&] { reset_state(batch, env, state, options); })) return;
  batch.states[env] = state;
  batch.elapsed[env] = 0;
  batch.status[env] = kRunning;
}

// Engine::step for one env: autoreset, the env's own step, the time limit (0: none). `final_observations`: SameStep's;
// the rows of envs that finish are written.
template <class Env, Autoreset kMode>
FASTVEC_ALWAYS_INLINE void step(const Batch<Env>& batch, const Outcome& out, std::int64_t env, const void* actions,
                                typename RowOf<typename Env::Observation>::Element* final_observations,
                                std::int32_t max_episode_steps) {
  constexpr std::int64_t kWidth = RowOf<typename Env::Observation>::kWidth;
  const Options no_options(nullptr, nullptr);
  const bool waits = batch.status[env] != kRunning;
  if (kMode == Autoreset::kDisabled && waits) return;
  const std::int32_t elapsed = batch.elapsed[env];
  expect_failure(batch, out, env);
  Env state = batch.states[env];
  if (waits) {
    if (!completes([&] { reset_state(batch, env, state, no_options); })) return;
    batch.states[env] = state;
    batch.elapsed[env] = 0;
    batch.status[env] = kRunning;
    out.rewards[env] = 0.0;
    out.terminated[env] = 0;
    out.truncated[env] = 0;
    return;
  }
  StepResult result;
  if (!completes([&] { result = step_state(batch, env, state, actions); })) return;
  const bool truncated = result.truncated || (max_episode_steps > 0 && elapsed + 1 >= max_episode_steps);
  const bool finished = result.terminated || truncated;
  if (kMode == Autoreset::kSameStep && finished) {
    for (std::int64_t i = 0; i < kWidth; ++i) {
      final_observations[env * kWidth + i] = batch.observations[env * kWidth + i];
    }
    expect_failure(batch, out, env);
    if (!completes([&] { reset_state(batch, env, state, no_options); })) return;
    batch.elapsed[env] = 0;
    batch.status[env] = kRunning;
  } else {
    batch.elapsed[env] = max_episode_steps > 0 ? elapsed + 1 : 0;
    batch.status[env] = finished ? kFinished : kRunning;
  }
  batch.states[env] = state;
  out.rewards[env] = result.reward;
  out.terminated[env] = result.terminated ? 1 : 0;
  out.truncated[env] = truncated ? 1 : 0;
}

}  // namespace fastvec::kernel
