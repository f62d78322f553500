// fastvec/detail/requirements.hpp: what an env class has to offer, told to its author in one sentence, and what it may
// offer besides.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <type_traits>

#include "fastvec/detail/ports.hpp"
#include "fastvec/range.hpp"
#include "fastvec/rng.hpp"
#include "fastvec/rows.hpp"
#include "fastvec/spec.hpp"

namespace fastvec::detail {

template <class Env>
struct SharedOf {
  using type = typename Env::Config;
};
template <class Env>
  requires requires { typename Env::Shared; }
struct SharedOf<Env> {
  using type = typename Env::Shared;
};

// The Config of an env class; a stand-in where it has none, so that Requirements can say so.
template <class Env>
struct ConfigOf {
  struct type {};
};
template <class Env>
  requires requires { typename Env::Config; }
struct ConfigOf<Env> {
  using type = typename Env::Config;
};

// What an env class offers that it need not. To be asked of one that meets the Requirements.
template <class Env>
struct Offers {
  using Shared = typename SharedOf<Env>::type;
  using Action = typename Env::Action;

  static constexpr bool kIndexed = std::is_constructible_v<Env, const Shared&, std::int64_t>;
  static constexpr bool kSaves = requires(Env& env, const Env& const_env, StateWriter& writer, StateReader& reader) {
    const_env.save(writer);
    env.load(reader);
  };
  static constexpr bool kHasRange =
      requires(const Shared& shared, const StepRange<Env>& range) { Env::step_range(shared, range); };
  static constexpr bool kStepsFinished = [] {
    if constexpr (requires { Env::kStepsFinished; }) return Env::kStepsFinished;
    else return false;
  }();
  static constexpr bool kStepTakesInfo = requires(Env& env, const Shared& shared, Action action, Rng& rng, Info& info) {
    { env.step(shared, action, rng, info) } -> std::convertible_to<StepResult>;
  };
  static constexpr bool kResetTakesInfo = requires(Env& env, const Shared& shared, Rng& rng, const Options& options,
                                                   Info& info) { env.reset(shared, rng, options, info); };
  static constexpr bool kDraws =
      requires(const Env& env, const Shared& shared, std::span<std::uint8_t> pixels) { env.render(shared, pixels); };

  template <class Wide>
  static constexpr bool accepts() {
    if constexpr (std::is_void_v<Wide>) {
      return false;
    } else {
      return requires(Env& env, const Shared& shared, Wide action, Rng& rng) { env.step(shared, action, rng); } ||
             requires(Env& env, const Shared& shared, Wide action, Rng& rng, Info& info) {
               env.step(shared, action, rng, info);
             };
    }
  }
  static constexpr bool kAcceptsFloat64 = accepts<typename Float64Action<Action>::type>();
};

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
      if constexpr (!std::is_trivially_copyable_v<Env> && !Has::kSaves) return Missing::kState;
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
