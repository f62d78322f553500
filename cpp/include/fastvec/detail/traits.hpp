// fastvec/detail/traits.hpp: what an env class has, read from its members.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "fastvec/detail/row_access.hpp"
#include "fastvec/range.hpp"
#include "fastvec/rng.hpp"
#include "fastvec/rows.hpp"
#include "fastvec/spec.hpp"
#include "fastvec/state.hpp"

namespace fastvec::detail {

// What its methods take first: the Shared of an env class, or its Config.
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

  template <class Float64>
  static constexpr bool accepts() {
    if constexpr (std::is_void_v<Float64>) {
      return false;
    } else {
      return requires(Env& env, const Shared& shared, Float64 action, Rng& rng) { env.step(shared, action, rng); } ||
             requires(Env& env, const Shared& shared, Float64 action, Rng& rng, Info& info) {
               env.step(shared, action, rng, info);
             };
    }
  }
  static constexpr bool kAcceptsFloat64 = accepts<typename Float64Action<Action>::type>();
  static constexpr bool kTriviallyCopyable = std::is_trivially_copyable_v<Env>;  // the state is saved as its bytes
  // All of an env is in its bytes, which may lie anywhere: fv_io::envs.
  static constexpr bool kPlain = kTriviallyCopyable && !kSaves && !kIndexed && std::is_default_constructible_v<Env>;
  static constexpr std::size_t kNumOptions = [] {
    if constexpr (requires { Env::kOptions; }) return Env::kOptions.size();
    else return std::size_t{0};
  }();
};

}  // namespace fastvec::detail
