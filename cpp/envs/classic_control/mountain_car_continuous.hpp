// MountainCarContinuous, the numbers of gymnasium's Continuous_MountainCarEnv bit for bit.
// Its state is float64 in the first step of an episode and float32 after it, and its action comes as float32 or
// float64, clipped to a Python float: hence `NumpyScalar`, which promotes as NumPy does.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <tuple>

#include "bounds.hpp"
#include "fastvec/env.hpp"
#include "fastvec/numpy.hpp"
#include "fastvec/numpy_scalar.hpp"

namespace classic_control {

namespace numpy = fastvec::numpy;
using fastvec::NumpyScalar;

class MountainCarContinuous {
 public:
  struct Config {
    double goal_velocity = 0.0;

    // Under Gymnasium's names.
    double min_action = -1.0, max_action = 1.0;
    double min_position = -1.2, max_position = 0.6, goal_position = 0.45;
    double max_speed = 0.07;  // per step
    double power = 0.0015;

    static constexpr auto kwargs() {
      return std::tuple{fastvec::kwarg("goal_velocity", &Config::goal_velocity, "least velocity at the goal")};
    }
    static constexpr auto parameters() {
      return std::tuple{fastvec::parameter("goal_velocity", &Config::goal_velocity, "least velocity at the goal"),
                        fastvec::parameter("min_action", &Config::min_action, "actions are clipped to it"),
                        fastvec::parameter("max_action", &Config::max_action, "actions are clipped to it"),
                        fastvec::parameter("min_position", &Config::min_position, "of the wall at the left"),
                        fastvec::parameter("max_position", &Config::max_position, "no position is beyond it"),
                        fastvec::parameter("goal_position", &Config::goal_position, "an episode ends from here on"),
                        fastvec::parameter("max_speed", &Config::max_speed, "per step"),
                        fastvec::parameter("power", &Config::power, "of the engine")};
    }
  };
  using Action = std::span<const float, 1>;
  using Observation = std::span<float, 2>;
  static constexpr std::array kOptions = kBoundOptions;

  static fastvec::Spec spec(const Config& config) {
    const auto low = static_cast<float>(config.min_position), high = static_cast<float>(config.max_position);
    const auto speed = static_cast<float>(config.max_speed);
    return {.observation = fastvec::Box<float>({low, -speed}, {high, speed}, {2}),
            .action =
                fastvec::Box<float>(static_cast<float>(config.min_action), static_cast<float>(config.max_action), {1})};
  }

  static void check_options(const Config&, const fastvec::Options& options) { check_bounds(options, kStartBounds); }

  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options) {
    const Bounds bounds = read_bounds(options, kStartBounds);
    position_ = rng.uniform(bounds.low, bounds.high);
    velocity_ = 0.0;
    stepped_ = 0;
  }

  fastvec::StepResult step(const Config& config, Action action, fastvec::Rng&) {
    return push(config, NumpyScalar::float32(action[0]));
  }
  fastvec::StepResult step(const Config& config, std::span<const double, 1> action, fastvec::Rng&) {
    return push(config, NumpyScalar::float64(action[0]));
  }

  void observe(const Config&, Observation observation) const {
    observation[0] = static_cast<float>(position_);
    observation[1] = static_cast<float>(velocity_);
  }

 private:
  fastvec::StepResult push(const Config& config, const NumpyScalar action) {
    const NumpyScalar::Kind kind = stepped_ != 0 ? NumpyScalar::Kind::kFloat32 : NumpyScalar::Kind::kFloat64;
    NumpyScalar position{position_, kind}, velocity{velocity_, kind};

    NumpyScalar force = action;
    if (force < config.min_action) force = config.min_action;
    if (config.max_action < force) force = config.max_action;

    const NumpyScalar angle = 3.0 * position;
    velocity = velocity + (force * config.power - 0.0025 * std::cos(angle.value));
    if (velocity > config.max_speed) velocity = config.max_speed;
    if (velocity < -config.max_speed) velocity = -config.max_speed;
    position = position + velocity;
    if (position > config.max_position) position = config.max_position;
    if (position < config.min_position) position = config.min_position;
    if (position == config.min_position && velocity < 0.0) velocity = 0.0;

    const bool arrived = position >= config.goal_position && velocity >= config.goal_velocity;
    position_ = position.as(NumpyScalar::Kind::kFloat32);
    velocity_ = velocity.as(NumpyScalar::Kind::kFloat32);
    stepped_ = 1;
    return {.reward = (arrived ? 100.0 : 0.0) - numpy::square(action.value) * 0.1, .terminated = arrived};
  }

  static constexpr Bounds kStartBounds{-0.6, -0.4};

  double position_, velocity_;
  std::uint64_t stepped_;  // 0: just reset, and the state is float64
};

}  // namespace classic_control
