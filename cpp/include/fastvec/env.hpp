// fastvec/env.hpp: write an environment as a small class; this header makes it a fastvec env.
//
//   #include <fastvec/env.hpp>
//
//   class Counter {
//    public:
//     struct Config {                                  // keyword arguments, with their defaults
//       std::int64_t goal = 10;
//       static constexpr auto kwargs() {
//         return std::tuple{fastvec::kwarg("goal", &Config::goal, "how far from 0 the episode ends")};
//       }
//     };
//     using Action = std::int64_t;                     // one Discrete number
//     using Observation = std::span<float, 1>;         // one row of a Box of float32
//
//     static fastvec::Spec spec(const Config& config) {
//       if (config.goal < 2) throw fastvec::InvalidArgument("expected goal >= 2, got " + std::to_string(config.goal));
//       const auto goal = static_cast<float>(config.goal);
//       return {.observation = fastvec::Box<float>(-goal, goal, {1}), .action = fastvec::Discrete(2)};
//     }
//     void reset(const Config&, fastvec::Rng& rng, const fastvec::Options&) { at_ = rng.integers(-1, 2); }
//     fastvec::StepResult step(const Config& config, Action action, fastvec::Rng&) {
//       at_ += action == 1 ? 1 : -1;
//       return {.reward = at_ == config.goal ? 1.0 : 0.0, .terminated = std::abs(at_) == config.goal};
//     }
//     void observe(const Config&, Observation observation) const { observation[0] = static_cast<float>(at_); }
//
//    private:
//     std::int64_t at_ = 0;
//   };
//   FASTVEC_PLUGIN("counter", fastvec::env<Counter>("counter/Counter-v0", {.max_episode_steps = 100}))
//
// `fastvec new my_envs` writes a package around such a file; `fastvec check ID` looks for the mistakes that are
// easy to make. C++20; no Python, NumPy or pybind11 is needed to compile it.
//
// Rules
//  - An object is the state of one env and nothing else: no pointers, no heap, no static variables, so that it can
//    be saved as bytes, moved and stepped in an array. It is made by its default constructor, and `reset` is
//    called before any `step`: `reset` sets every member that a later call reads.
//    (A state that is not trivially copyable, one with strings or vectors, offers
//    `void save(fastvec::StateWriter&) const` and `void load(fastvec::StateReader&)`.)
//  - What all envs of a vector share and never change (a map, tables, a model) lives in a nested class `Shared`,
//    constructed once from the Config: `explicit Shared(const Config&)`. All methods then take `const Shared&` in
//    place of `const Config&`. It is read by many threads at once.
//  - `step` changes the state; `observe` is const and a function of the state alone, and writes every element.
//    The engine may call it again at any time.
//  - Randomness comes from the `rng` that is handed in (NumPy's generator, draw for draw: rng.hpp lists what it
//    draws), nowhere else: then the same seed gives the same bytes at any number of threads.
//  - An env is stepped by one thread at a time, but not always by the same one; other envs run meanwhile.
//  - Time limits, autoreset, seeding, threads, buffers and snapshots are the engine's.
//
// Ids are those of Gymnasium: "name-v0" or "namespace/name-v0". Use your package's name as the namespace: the env is
// then `fastvec.make_vec("my_envs/Counter-v0")` and, in Gymnasium, "my_envs/Counter-v0" too. (Without a namespace
// it is "fastvec/name-v0" in Gymnasium.) One class may be registered under several ids, with other limits or
// other defaults: `fastvec::env<Counter>("counter/Long-v0", {.max_episode_steps = 1000}, {.goal = 500})`.
//
// The limits are registered with the id, in fastvec and in Gymnasium, when the library is loaded; nothing of your class
// is made or called for that. A time limit that depends on the keyword arguments is Spec::max_episode_steps (spec.hpp).
//
// Keyword arguments are members of Config: bool, any integer, float, double, std::string, and std::vector of
// std::int64_t, double or std::string. Types are checked before your code runs; check values in `spec` (or in
// Shared's constructor) and throw fastvec::InvalidArgument, which becomes a ValueError.
//
// Spaces (space.hpp): Box<T>(low, high, shape) of any number type or bool, Discrete(n, start), MultiDiscrete({...}),
// MultiBinary(n), Tuple({...}), Dict({{"key", space}, ...}), nested as you like, for observations and actions.
// The types of a row, in `Action` and `Observation`:
//    one number         Action T, Observation T&                              Discrete (T: std::int64_t), Box of one
//    one array          std::span<const T[, N]>, std::span<T[, N]>            Box, MultiDiscrete (std::int64_t),
//                                                                             MultiBinary (std::int8_t); row-major
//    Tuple and Dict     fastvec::ActionRows, fastvec::ObservationRows         rows.leaf<T>(k), k counts depth first
// Discrete, MultiDiscrete and MultiBinary actions are inside their space when they reach you. Box actions may be any
// number of their type: clip them if you need them clipped.
//
// Errors. Throw anything derived from std::exception from step, reset, observe or render: the other envs complete the
// batch, and Python gets a fastvec.EnvError with this env's index and your message. The env is reset at its next turn.
//
// Optional members
//  - `static constexpr auto parameters()` in Config, beside `kwargs()`: a tuple of fastvec::parameter("name",
//    &Config::member), numbers and bools that `envs.set_attr("name", [value of env 0, value of env 1...])` changes for
//    single envs later on (domain randomisation). An env whose parameters differ from the vector's gets a Config, and
//    a Shared constructed from it, of its own; envs with equal ones have one in common, and a Shared is never copied.
//    `spec` is called with it, to refuse what does not do, and what it returns is ignored.
//  - A last parameter `fastvec::Info&` of reset and step: fills the fields that Spec::info names, as
//    `info.set(0, score)`; a field that is not set is absent for this env and step (its mask is False).
//  - `static constexpr std::array kOptions{fastvec::Option{"low"}, ...}`: numbers that reset(options=) takes, read as
//    `options.get(0, fallback)`, with `static void check_options(const Config&, const fastvec::Options&)`, which
//    throws InvalidArgument, or OutOfRange for a number that is too large or not finite.
//  - `void render(const Config&, std::span<std::uint8_t> pixels) const`, with Spec::render_height and render_width:
//    the picture row by row, RGB. The state's picture, not a part of the state. Spec::render_fps is the pace of videos
//    and of the window that render_mode="human" opens.
//  - An overload of `step` that takes `std::span<const double, N>` beside `std::span<const float, N>`, or
//    fastvec::Float64ActionRows beside fastvec::ActionRows: where the action is one Box of float32, float64 actions
//    reach the env as they are instead of being rounded to float32 first.
//  - `static void step_range(const Config&, const fastvec::StepRange<Env>&)`: your own loop over neighbouring envs, in
//    place of `step`, for SIMD across envs (range.hpp). It writes rewards, both flags and the observation of every
//    env, with the results that stepping them one by one would have: a range is any number of envs, from 1 on.
//       static void step_range(const Config&, const fastvec::StepRange<Counter>& range) {
//         const auto envs = range.envs();              // std::span<Counter>
//         const std::int64_t* actions = range.actions();
//         float* observations = range.observations();
//         const auto rewards = range.rewards();
//         for (std::size_t i = 0; i < envs.size(); ++i) { ... }
//       }
//    With `static constexpr bool kStepsFinished = true`, envs that are about to be reset are stepped along with their
//    neighbours and what comes of it is thrown away: fewer, longer runs. For a step_range that neither draws nor
//    fails and takes any number for an action (theirs is not checked).
//  - A constructor `Env(const Config&, std::int64_t index)` in place of the default one: for an env that works on
//    memory that Shared has for each env, such as the objects of a simulator. It then offers `save` and `load`, and, so
//    that `bytes_per_env` tells the whole, `static std::int64_t bytes_elsewhere(const Config&)`.
//
// The same class compiles to kernels for a GPU if its state is plain and its step free of the heap: kernel.hpp. A
// step_range should then work on fastvec::block_size(16) envs side by side, not 16.
//
// Keep step free of the heap: an allocation costs more than a small env's whole step, and stops threads from scaling.
#pragma once

#include "fastvec/detail/require_cxx20.hpp"  // before all else

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "fastvec/abi.h"
#include "fastvec/choice.hpp"
#include "fastvec/device.hpp"
#include "fastvec/distributions.hpp"
#include "fastvec/flags.hpp"
#include "fastvec/inline.hpp"
#include "fastvec/normal.hpp"
#include "fastvec/range.hpp"
#include "fastvec/rng.hpp"
#include "fastvec/rows.hpp"
#include "fastvec/space.hpp"
#include "fastvec/spec.hpp"
#include "fastvec/state.hpp"

#if defined(FASTVEC_KERNEL)

// A kernel names the env's class itself (kernel.hpp) and has no table of envs.
#define FASTVEC_PLUGIN(name, ...)

#else

#include "fastvec/detail/registration.hpp"

namespace fastvec {

// Registers `Env` under an id. `defaults` are the keyword arguments' defaults for this id.
// To be used as an argument of FASTVEC_PLUGIN.
template <class Env>
auto env(const char* id, Limits limits = {}, typename detail::ConfigOf<Env>::type defaults = {}) {
  if constexpr (detail::Requirements<Env>::kMet) return detail::Registration<Env>(id, limits, std::move(defaults));
  else return detail::Refused{};
}

}  // namespace fastvec

// Defines the one function that an env library exports: FASTVEC_PLUGIN("library name", env<A>(...), env<B>(...), ...).
// Use it once per library, at namespace scope.
#define FASTVEC_PLUGIN(name, ...)                                      \
  extern "C" FASTVEC_EXPORT const fv_plugin* fastvec_plugin_v1(void) { \
    static const ::fastvec::detail::Plugin plugin(name, __VA_ARGS__);  \
    return plugin.table();                                             \
  }

#endif  // FASTVEC_KERNEL
