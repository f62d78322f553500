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
#include "fastvec/numpy.hpp"

namespace classic_control {

namespace numpy = fastvec::numpy;

class MountainCar {
 public:
  struct Config {
    double goal_velocity = 0.0;

    // Under Gymnasium's names.
    double min_position = -1.2, max_position = 0.6, goal_position = 0.5;
    double max_speed = 0.07;  // per step
    double force = 0.001, gravity = 0.0025;

    static constexpr auto kwargs() {
      return std::tuple{fastvec::kwarg("goal_velocity", &Config::goal_velocity, "least velocity at the goal")};
    }
    static constexpr auto parameters() {
      return std::tuple{fastvec::parameter("goal_velocity", &Config::goal_velocity, "least velocity at the goal"),
                        fastvec::parameter("min_position", &Config::min_position, "of the wall at the left"),
                        fastvec::parameter("max_position", &Config::max_position, "no position is beyond it"),
                        fastvec::parameter("goal_position", &Config::goal_position, "an episode ends from here on"),
                        fastvec::parameter("max_speed", &Config::max_speed, "per step"),
                        fastvec::parameter("force", &Config::force, "of the engine"),
                        fastvec::parameter("gravity", &Config::gravity, "speed lost per step on the steepest slope")};
    }
  };
  using Action = std::int64_t;
  using Observation = std::span<float, 2>;
  static constexpr std::array kOptions = kBoundOptions;

  static fastvec::Spec spec(const Config& config) {
    const auto low = static_cast<float>(config.min_position), high = static_cast<float>(config.max_position);
    const auto speed = static_cast<float>(config.max_speed);
    return {.observation = fastvec::Box<float>({low, -speed}, {high, speed}, {2}), .action = fastvec::Discrete(3)};
  }

  static void check_options(const Config&, const fastvec::Options& options) { check_bounds(options, kStartBounds); }

  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options) {
    const Bounds bounds = read_bounds(options, kStartBounds);
    position_ = rng.uniform(bounds.low, bounds.high);
    velocity_ = 0.0;
    stepped_ = 0;
  }

  fastvec::StepResult step(const Config& config, Action action, fastvec::Rng&) {
    const double push = static_cast<double>(action - 1) * config.force;
    velocity_ += push + std::cos(3 * position_) * -config.gravity;
    velocity_ = numpy::clip(velocity_, -config.max_speed, config.max_speed);
    position_ = numpy::clip(position_ + velocity_, config.min_position, config.max_position);
    if (position_ == config.min_position && velocity_ < 0) velocity_ = 0;
    stepped_ = 1;
    return {.reward = -1.0, .terminated = position_ >= config.goal_position && velocity_ >= config.goal_velocity};
  }

  void observe(const Config&, Observation observation) const {
    observation[0] = static_cast<float>(position_);
    observation[1] = static_cast<float>(velocity_);
  }

 private:
  static constexpr Bounds kStartBounds{-0.6, -0.4};

  double position_, velocity_;
  std::uint64_t stepped_;  // 0: just reset; Gymnasium then holds an array in place of a tuple
};

}  // namespace classic_control
