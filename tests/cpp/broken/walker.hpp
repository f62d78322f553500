// What the faulty envs have in common: a number that goes up and down at random, seen as three floats. It is as it
// should be.
#pragma once

#include <fastvec/env.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace broken {

struct NoConfig {};

constexpr float kReach = 1000.0f;

class Walker {
 public:
  using Config = NoConfig;
  using Action = std::int64_t;
  using Observation = std::span<float, 3>;

  static fastvec::Spec spec(const Config&) {
    return {.observation = fastvec::Box<float>(-kReach, kReach, {3}), .action = fastvec::Discrete(3)};
  }
  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options&) {
    at_ = rng.uniform(-1.0, 1.0);
    steps_ = 0;
  }
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    at_ += static_cast<double>(action - 1) + 0.1 * rng.random();
    ++steps_;
    return {.reward = at_, .terminated = at_ > 15.0};
  }
  void observe(const Config&, Observation observation) const {
    observation[0] = static_cast<float>(at_);
    observation[1] = static_cast<float>(steps_);
    observation[2] = 0.0f;
  }

 protected:
  // Whatever lies so many bytes behind this object's state.
  void write(std::ptrdiff_t offset) { std::memset(reinterpret_cast<std::byte*>(this) + offset, 1, 1); }

  double at_ = 0.0;
  std::int64_t steps_ = 0;
};

inline const NoConfig kNone;

}  // namespace broken
