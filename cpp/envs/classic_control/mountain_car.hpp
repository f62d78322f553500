// MountainCar, the numbers of gymnasium.envs.classic_control.mountain_car.MountainCarEnv bit for bit.
// Source of the dynamics: Moore, "Efficient Memory-based Learning for Robot Control" (1990).
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <tuple>

#include "bounds.hpp"
#include "fastvec/env.hpp"
#include "numpy_math.hpp"

namespace classic_control {

class MountainCar {
 public:
  struct Config {
    double goal_velocity = 0.0;

    static constexpr auto kwargs() {
      return std::tuple{fastvec::kwarg("goal_velocity", &Config::goal_velocity, "least velocity at the goal")};
    }
  };
  using Action = std::int64_t;
  using Observation = std::span<float, 2>;
  static constexpr std::array kOptions = kBoundOptions;

  static fastvec::Spec spec(const Config&) {
    constexpr auto kLow = static_cast<float>(kMinPosition), kHigh = static_cast<float>(kMaxPosition);
    constexpr auto kSpeed = static_cast<float>(kMaxSpeed);
    return {.observation = fastvec::Box<float>({kLow, -kSpeed}, {kHigh, kSpeed}, {2}), .action = fastvec::Discrete(3)};
  }

  static void check_options(const Config&, const fastvec::Options& options) { check_bounds(options, kStartBounds); }

  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options) {
    const Bounds bounds = read_bounds(options, kStartBounds);
    position_ = rng.uniform(bounds.low, bounds.high);
    velocity_ = 0.0;
    stepped_ = 0;
  }

  fastvec::StepResult step(const Config& config, Action action, fastvec::Rng&) {
    const double push = static_cast<double>(action - 1) * kForce;
    velocity_ += push + std::cos(3 * position_) * -kGravity;
    velocity_ = clip(velocity_, -kMaxSpeed, kMaxSpeed);
    position_ = clip(position_ + velocity_, kMinPosition, kMaxPosition);
    if (position_ == kMinPosition && velocity_ < 0) velocity_ = 0;
    stepped_ = 1;
    return {.reward = -1.0, .terminated = position_ >= kGoalPosition && velocity_ >= config.goal_velocity};
  }

  void observe(const Config&, Observation observation) const {
    observation[0] = static_cast<float>(position_);
    observation[1] = static_cast<float>(velocity_);
  }

 private:
  static constexpr double kMinPosition = -1.2, kMaxPosition = 0.6, kGoalPosition = 0.5;
  static constexpr double kMaxSpeed = 0.07;  // per step
  static constexpr double kForce = 0.001, kGravity = 0.0025;
  static constexpr Bounds kStartBounds{-0.6, -0.4};

  double position_, velocity_;
  std::uint64_t stepped_;  // 0: just reset; Gymnasium then holds an array in place of a tuple
};

}  // namespace classic_control
