// CartPole, the numbers of gymnasium.envs.classic_control.cartpole.CartPoleEnv bit for bit.
// Source of the dynamics: Barto, Sutton and Anderson, "Neuronlike Adaptive Elements That Can Solve
// Difficult Learning Control Problems" (1983); Florian, "Correct equations for the dynamics of the
// cart-pole system" (2007).
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <tuple>
#include <vector>

#include "bounds.hpp"
#include "fastvec/env.hpp"

namespace classic_control {

class CartPole {
 public:
  struct Config {
    bool sutton_barto_reward = false;

    static constexpr auto kwargs() {
      return std::tuple{fastvec::kwarg("sutton_barto_reward", &Config::sutton_barto_reward,
                                       "reward 0 per step and -1 for falling, instead of 1 per step")};
    }
  };
  using Action = std::int64_t;
  using Observation = std::span<float, 4>;
  static constexpr std::array kOptions = kBoundOptions;

  static fastvec::Spec spec(const Config&) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const std::vector<float> high{static_cast<float>(kMaxPosition * 2), kInfinity,
                                  static_cast<float>(kMaxAngle * 2), kInfinity};
    const std::vector<float> low{-high[0], -high[1], -high[2], -high[3]};
    return {.observation = fastvec::Box<float>(low, high, {4}), .action = fastvec::Discrete(2)};
  }

  static void check_options(const Config&, const fastvec::Options& options) {
    check_bounds(options, kStartBounds);
  }

  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options) {
    const Bounds bounds = read_bounds(options, kStartBounds);
    x_ = rng.uniform(bounds.low, bounds.high);
    x_dot_ = rng.uniform(bounds.low, bounds.high);
    theta_ = rng.uniform(bounds.low, bounds.high);
    theta_dot_ = rng.uniform(bounds.low, bounds.high);
  }

  fastvec::StepResult step(const Config& config, Action action, fastvec::Rng&) {
    const double force = action == 1 ? kForce : -kForce;
    const double cosine = std::cos(theta_);
    const double sine = std::sin(theta_);
    const double push = (force + kPoleMassLength * (theta_dot_ * theta_dot_) * sine) / kTotalMass;
    const double angular = (kGravity * sine - cosine * push) /
                           (kHalfLength * (4.0 / 3.0 - kPoleMass * (cosine * cosine) / kTotalMass));
    const double linear = push - kPoleMassLength * angular * cosine / kTotalMass;
    x_ = x_ + kTimeStep * x_dot_;
    x_dot_ = x_dot_ + kTimeStep * linear;
    theta_ = theta_ + kTimeStep * theta_dot_;
    theta_dot_ = theta_dot_ + kTimeStep * angular;

    const bool fallen = x_ < -kMaxPosition || x_ > kMaxPosition || theta_ < -kMaxAngle || theta_ > kMaxAngle;
    if (config.sutton_barto_reward) return {.reward = fallen ? -1.0 : 0.0, .terminated = fallen};
    return {.reward = 1.0, .terminated = fallen};
  }

  void observe(const Config&, Observation observation) const {
    observation[0] = static_cast<float>(x_);
    observation[1] = static_cast<float>(x_dot_);
    observation[2] = static_cast<float>(theta_);
    observation[3] = static_cast<float>(theta_dot_);
  }

 private:
  static constexpr double kGravity = 9.8;
  static constexpr double kPoleMass = 0.1;
  static constexpr double kTotalMass = kPoleMass + 1.0;
  static constexpr double kHalfLength = 0.5;
  static constexpr double kPoleMassLength = kPoleMass * kHalfLength;
  static constexpr double kForce = 10.0;
  static constexpr double kTimeStep = 0.02;  // seconds
  static constexpr double kMaxAngle = 12 * 2 * std::numbers::pi / 360;  // radians
  static constexpr double kMaxPosition = 2.4;
  static constexpr Bounds kStartBounds{-0.05, 0.05};

  double x_, x_dot_, theta_, theta_dot_;
};

}  // namespace classic_control
