// fastvec/env.hpp: write an environment as a small class; this header makes it a fastvec env.
//
//   class Counter {
//    public:
//     struct Config {                                  // keyword arguments, with their defaults
//       std::int64_t goal = 10;
//       static constexpr auto kwargs() {
//         return std::tuple{fastvec::kwarg("goal", &Config::goal, "where the episode ends")};
//       }
//     };
//     using Action = std::int64_t;                     // one Discrete number
//     using Observation = std::span<float, 1>;         // one row of a Box of float32
//
//     static fastvec::Spec spec(const Config& config) {
//       const auto goal = static_cast<float>(config.goal);
//       return {.observation = fastvec::Box<float>(-goal, goal, {1}), .action = fastvec::Discrete(2)};
//     }
//     void reset(const Config&, fastvec::Rng& rng, const fastvec::Options&) { at_ = rng.integers(-1, 2); }
//     fastvec::StepResult step(const Config& config, Action action, fastvec::Rng&) {
//       at_ += action == 1 ? 1 : -1;
//       return {.reward = at_ == config.goal ? 1.0 : 0.0, .terminated = at_ == config.goal};
//     }
//     void observe(const Config&, Observation observation) const {
//       observation[0] = static_cast<float>(at_);
//     }
//    private:
//     std::int64_t at_ = 0;
//   };
//   FASTVEC_PLUGIN("counter", fastvec::env<Counter>("Counter-v0", {.max_episode_steps = 100}))
//
// The rules:
//  - An object is the state of one env and nothing else: no pointers, no heap, so that it can be saved as
//    bytes, moved and stepped in an array. (A state that is not trivially copyable offers
//    `void save(fastvec::StateWriter&) const` and `void load(fastvec::StateReader&)`.)
//  - What all envs of a vector share and never change (a map, tables, a model) lives in a nested class
//    `Shared`, constructed once from the Config. All methods then take `const Shared&` in place of
//    `const Config&`. Without one, the Config itself is what is shared.
//  - `step` changes the state; `observe` is const and a function of the state alone. The engine may call
//    it again at any time.
//  - Randomness comes from the `rng` that is handed in, nowhere else: then the same seed gives the same
//    bytes at any number of threads.
//  - Time limits, autoreset, seeding, threads, buffers and snapshots are the engine's.
//
// Types of a row. Action: `std::int64_t` (Discrete), any number type (a Box or MultiDiscrete of one element), or
// `std::span<const T>` / `std::span<const T, N>`. Observation: `T&`, `std::span<T>` or `std::span<T, N>`.
// For Tuple and Dict spaces: `fastvec::ActionRows` and `fastvec::ObservationRows`.
//
// Optional members:
//  - an extra last parameter `fastvec::Info&` of reset and step, to fill the fields that Spec::info names;
//  - `static constexpr std::array kOptions{fastvec::Option{"low"}, ...}`: numbers that reset(options=) takes, with
//    `static void check_options(const Shared&, const fastvec::Options&)`, which throws InvalidArgument;
//  - an overload of `step` that takes `std::span<const double, N>` beside `std::span<const float, N>`:
//    then float64 actions reach the env as they are instead of being rounded to float32 first;
//  - `void render(const Shared&, std::span<std::uint8_t> pixels) const`, row by row, RGB.
#pragma once

#include "fastvec/abi.h"
#include "fastvec/detail/adapter.hpp"
#include "fastvec/normal.hpp"
#include "fastvec/rng.hpp"
#include "fastvec/rows.hpp"
#include "fastvec/space.hpp"
#include "fastvec/spec.hpp"

namespace fastvec {

// Registers `Env` under an id. `defaults` are the keyword arguments' defaults for this id.
template <class Env>
detail::Registration<Env> env(const char* id, Limits limits = {}, typename Env::Config defaults = {}) {
  return detail::Registration<Env>(id, limits, std::move(defaults));
}

}  // namespace fastvec

// Defines the one function that an env library exports. Use it once per library, at namespace scope.
#define FASTVEC_PLUGIN(name, ...)                                                \
  extern "C" FASTVEC_EXPORT const fv_plugin* fastvec_plugin_v1(void) {           \
    static const ::fastvec::detail::Plugin plugin(name, __VA_ARGS__);            \
    return plugin.table();                                                       \
  }
