// Pendulum, the numbers of gymnasium.envs.classic_control.pendulum.PendulumEnv bit for bit, for float32 actions
// and for float64 ones (whose torque and cost are then computed in float64).
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <tuple>
#include <type_traits>

#include "bounds.hpp"
#include "fastvec/env.hpp"
#include "numpy_math.hpp"

namespace classic_control {

class Pendulum {
 public:
  struct Config {
    double g = 10.0;

    static constexpr auto kwargs() {
      return std::tuple{fastvec::kwarg("g", &Config::g, "acceleration of gravity, in m/s**2")};
    }
  };
  struct Shared {
    explicit Shared(const Config& config) : gravity(3 * config.g / (2 * kLength)) {}
    double gravity;  // angular acceleration when horizontal
  };
  using Action = std::span<const float, 1>;
  using Observation = std::span<float, 3>;
  static constexpr std::array kOptions{
      fastvec::Option{"x_init", "largest start angle, either way, in radians"},
      fastvec::Option{"y_init", "largest start velocity, either way, in radians per second"},
  };

  static fastvec::Spec spec(const Shared&) {
    constexpr auto kSpeed = static_cast<float>(kMaxSpeed), kTorque = static_cast<float>(kMaxTorque);
    return {.observation = fastvec::Box<float>({-1.0f, -1.0f, -kSpeed}, {1.0f, 1.0f, kSpeed}, {3}),
            .action = fastvec::Box<float>(-kTorque, kTorque, {1})};
  }

  static void check_options(const Shared&, const fastvec::Options& options) {
    for (const double limit : {options.get(0, kStartAngle), options.get(1, kStartSpeed)}) {
      check_range(-limit, limit);
    }
  }

  void reset(const Shared&, fastvec::Rng& rng, const fastvec::Options& options) {
    const double angle = options.get(0, kStartAngle);
    const double speed = options.get(1, kStartSpeed);
    theta_ = rng.uniform(-angle, angle);
    theta_dot_ = rng.uniform(-speed, speed);
    torque_kind_ = TorqueKind::kNone;
    torque_ = 0.0;
    update_direction();
  }

  fastvec::StepResult step(const Shared& shared, Action action, fastvec::Rng&) { return turn(shared, action[0]); }
  fastvec::StepResult step(const Shared& shared, std::span<const double, 1> action, fastvec::Rng&) {
    return turn(shared, action[0]);
  }

  void observe(const Shared&, Observation observation) const {
    observation[0] = static_cast<float>(cosine_);
    observation[1] = static_cast<float>(sine_);
    observation[2] = static_cast<float>(theta_dot_);
  }

 private:
  enum class TorqueKind : std::uint64_t { kNone, kFloat32, kFloat64 };

  // `T` is the action's type: products of the torque alone are rounded to it.
  template <class T>
  fastvec::StepResult turn(const Shared& shared, T action) {
    const T torque = clip(action, static_cast<T>(-kMaxTorque), static_cast<T>(kMaxTorque));
    const T effort = static_cast<T>(0.001) * square(torque);
    const double angle = floor_mod(theta_ + std::numbers::pi, 2 * std::numbers::pi) - std::numbers::pi;
    const double costs = square(angle) + 0.1 * square(theta_dot_) + static_cast<double>(effort);

    const double push = static_cast<double>(static_cast<T>(3.0) * torque);
    theta_dot_ = clip(theta_dot_ + (shared.gravity * sine_ + push) * kTimeStep, -kMaxSpeed, kMaxSpeed);
    theta_ = theta_ + theta_dot_ * kTimeStep;
    torque_ = static_cast<double>(torque);
    torque_kind_ = std::is_same_v<T, float> ? TorqueKind::kFloat32 : TorqueKind::kFloat64;
    update_direction();
    return {.reward = -costs};
  }

  void update_direction() {
    cosine_ = std::cos(theta_);
    sine_ = std::sin(theta_);
  }

  static constexpr double kMaxSpeed = 8.0;  // radians per second
  static constexpr double kMaxTorque = 2.0;
  static constexpr double kTimeStep = 0.05;  // seconds
  static constexpr double kLength = 1.0;
  static constexpr double kStartAngle = std::numbers::pi, kStartSpeed = 1.0;

  double theta_, theta_dot_;
  double cosine_, sine_;    // of theta: the observation of this step and the force of the next one
  double torque_;           // of the last step: the picture shows it
  TorqueKind torque_kind_;  // none: just reset
};

}  // namespace classic_control
