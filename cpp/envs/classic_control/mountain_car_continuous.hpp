// MountainCarContinuous, the numbers of gymnasium's Continuous_MountainCarEnv bit for bit.
// Its state is float64 in the first step of an episode and float32 after it, and its action comes as float32 or
// float64, clipped to a Python float: hence `Number`, which promotes as NumPy does.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <tuple>

#include "bounds.hpp"
#include "fastvec/env.hpp"
#include "number.hpp"
#include "numpy_math.hpp"

namespace classic_control {

class MountainCarContinuous {
 public:
  struct Config {
    double goal_velocity = 0.0;

    static constexpr auto kwargs() {
      return std::tuple{fastvec::kwarg("goal_velocity", &Config::goal_velocity, "least velocity at the goal")};
    }
  };
  using Action = std::span<const float, 1>;
  using Observation = std::span<float, 2>;
  static constexpr std::array kOptions = kBoundOptions;

  static fastvec::Spec spec(const Config&) {
    constexpr auto kLow = static_cast<float>(kMinPosition), kHigh = static_cast<float>(kMaxPosition);
    constexpr auto kSpeed = static_cast<float>(kMaxSpeed);
    return {.observation = fastvec::Box<float>({kLow, -kSpeed}, {kHigh, kSpeed}, {2}),
            .action = fastvec::Box<float>(-1.0f, 1.0f, {1})};
  }

  static void check_options(const Config&, const fastvec::Options& options) { check_bounds(options, kStartBounds); }

  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options) {
    const Bounds bounds = read_bounds(options, kStartBounds);
    position_ = rng.uniform(bounds.low, bounds.high);
    velocity_ = 0.0;
    stepped_ = 0;
  }

  fastvec::StepResult step(const Config& config, Action action, fastvec::Rng&) {
    return push(config, Number::float32(action[0]));
  }
  fastvec::StepResult step(const Config& config, std::span<const double, 1> action, fastvec::Rng&) {
    return push(config, Number::float64(action[0]));
  }

  void observe(const Config&, Observation observation) const {
    observation[0] = static_cast<float>(position_);
    observation[1] = static_cast<float>(velocity_);
  }

 private:
  fastvec::StepResult push(const Config& config, const Number action) {
    const Number::Kind kind = stepped_ != 0 ? Number::Kind::kFloat32 : Number::Kind::kFloat64;
    Number position{position_, kind}, velocity{velocity_, kind};

    Number force = action;
    if (force < kMinAction) force = kMinAction;
    if (kMaxAction < force) force = kMaxAction;

    const Number angle = 3.0 * position;
    velocity = velocity + (force * kPower - 0.0025 * std::cos(angle.value));
    if (velocity > kMaxSpeed) velocity = kMaxSpeed;
    if (velocity < -kMaxSpeed) velocity = -kMaxSpeed;
    position = position + velocity;
    if (position > kMaxPosition) position = kMaxPosition;
    if (position < kMinPosition) position = kMinPosition;
    if (position == kMinPosition && velocity < 0.0) velocity = 0.0;

    const bool arrived = position >= kGoalPosition && velocity >= config.goal_velocity;
    position_ = position.as(Number::Kind::kFloat32);
    velocity_ = velocity.as(Number::Kind::kFloat32);
    stepped_ = 1;
    return {.reward = (arrived ? 100.0 : 0.0) - square(action.value) * 0.1, .terminated = arrived};
  }

  static constexpr double kMinAction = -1.0, kMaxAction = 1.0;
  static constexpr double kMinPosition = -1.2, kMaxPosition = 0.6, kGoalPosition = 0.45;
  static constexpr double kMaxSpeed = 0.07;  // per step
  static constexpr double kPower = 0.0015;
  static constexpr Bounds kStartBounds{-0.6, -0.4};

  double position_, velocity_;
  std::uint64_t stepped_;  // 0: just reset, and the state is float64
};

}  // namespace classic_control
