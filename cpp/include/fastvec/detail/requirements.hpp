// fastvec/detail/requirements.hpp: what an env class has to offer, told to its author in one sentence.
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "fastvec/detail/row_access.hpp"
#include "fastvec/detail/traits.hpp"
#include "fastvec/rng.hpp"
#include "fastvec/spec.hpp"

namespace fastvec::detail {

enum class Missing {
  kNothing,
  kConfig,
  kConfigCopy,
  kShared,
  kAction,
  kObservation,
  kState,
  kConstructor,
  kSpec,
  kReset,
  kStep,
  kObserve
};

// The first thing that an env class lacks. One at a time: what follows from it would only be noise.
template <class Env>
consteval Missing first_missing() {
  if constexpr (!requires { typename Env::Config; }) return Missing::kConfig;
  else {
    using Config = typename Env::Config;
    using Shared = typename SharedOf<Env>::type;
    if constexpr (!std::is_copy_constructible_v<Config>) return Missing::kConfigCopy;
    else if constexpr (!std::is_constructible_v<Shared, const Config&>) return Missing::kShared;
    else if constexpr (!requires { requires ActionRow<typename Env::Action>; }) return Missing::kAction;
    else if constexpr (!requires { requires ObservationRow<typename Env::Observation>; }) return Missing::kObservation;
    else {
      using Action = typename Env::Action;
      using Observation = typename Env::Observation;
      using Has = Offers<Env>;
      if constexpr (!Has::kTriviallyCopyable && !Has::kSaves) return Missing::kState;
      else if constexpr (!std::is_default_constructible_v<Env> && !Has::kIndexed) return Missing::kConstructor;
      else if constexpr (!requires(const Shared& shared) {
                           { Env::spec(shared) } -> std::convertible_to<Spec>;
                         }) {
        return Missing::kSpec;
      } else if constexpr (!Has::kResetTakesInfo &&
                           !requires(Env& env, const Shared& shared, Rng& rng, const Options& options) {
                             env.reset(shared, rng, options);
                           }) {
        return Missing::kReset;
      } else if constexpr (!Has::kHasRange && !Has::kStepTakesInfo &&
                           !requires(Env& env, const Shared& shared, Action action, Rng& rng) {
                             { env.step(shared, action, rng) } -> std::convertible_to<StepResult>;
                           }) {
        return Missing::kStep;
      } else if constexpr (!requires(const Env& env, const Shared& shared, Observation observation) {
                             env.observe(shared, observation);
                           }) {
        return Missing::kObserve;
      } else {
        return Missing::kNothing;
      }
    }
  }
}

// Does not compile for an env class that lacks something, and says what in the author's words.
template <class Env>
struct Requirements {
  static constexpr Missing kMissing = first_missing<Env>();
  static constexpr bool kMet = kMissing == Missing::kNothing;

  static_assert(kMissing != Missing::kConfig,
                "an env offers `struct Config`, public, with its keyword arguments (`struct Config {};` for none)");
  static_assert(kMissing != Missing::kConfigCopy, "a Config is copyable: each env may be given one of its own");
  static_assert(kMissing != Missing::kShared,
                "Shared is constructed from the Config: `explicit Shared(const Config&)`");
  static_assert(kMissing != Missing::kAction,
                "an env offers `using Action =`, public: a number T (Discrete, a Box of one), std::span<const T> or "
                "std::span<const T, N> (Box, MultiDiscrete, MultiBinary), or fastvec::ActionRows (Tuple, Dict); T is "
                "bool, an integer, float or double");
  static_assert(kMissing != Missing::kObservation,
                "an env offers `using Observation =`, public: T& (Discrete, a Box of one), std::span<T> or "
                "std::span<T, N> (Box, MultiDiscrete, MultiBinary), or fastvec::ObservationRows (Tuple, Dict); T is "
                "bool, an integer, float or double, and not const");
  static_assert(kMissing != Missing::kState,
                "the state of an env is trivially copyable, or it offers `void save(fastvec::StateWriter&) const` and "
                "`void load(fastvec::StateReader&)`");
  static_assert(kMissing != Missing::kConstructor,
                "an env is default constructible, or constructible from (const Config&, std::int64_t index) (const "
                "Shared&, where it has a Shared): reset() gives it its start");
  static_assert(kMissing != Missing::kSpec,
                "an env offers `static fastvec::Spec spec(const Config&)` (const Shared&, where it has a Shared)");
  static_assert(kMissing != Missing::kReset,
                "an env offers `void reset(const Config&, fastvec::Rng&, const fastvec::Options&)` (const Shared&, "
                "where it has a Shared)");
  static_assert(kMissing != Missing::kStep,
                "an env offers `fastvec::StepResult step(const Config&, Action, fastvec::Rng&)` (const Shared&, where "
                "it has a Shared), or a step_range");
  static_assert(kMissing != Missing::kObserve,
                "an env offers `void observe(const Config&, Observation) const` (const Shared&, where it has a "
                "Shared)");
};

// What `fastvec::env` gives in place of a Registration where Requirements has refused the class.
struct Refused {};

}  // namespace fastvec::detail
