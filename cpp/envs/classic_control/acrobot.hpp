// Acrobot, the numbers of gymnasium.envs.classic_control.acrobot.AcrobotEnv bit for bit.
// Source of the dynamics: Sutton, "Generalization in Reinforcement Learning: Successful Examples Using Sparse
// Coarse Coding" (1996), in the form of Sutton and Barto's book; integrated by fourth-order Runge-Kutta.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <stdexcept>

#include "bounds.hpp"
#include "fastvec/env.hpp"
#include "numpy_math.hpp"

namespace classic_control {

class Acrobot {
 public:
  struct Config {};
  using Action = std::int64_t;
  using Observation = std::span<float, 6>;
  static constexpr std::array kOptions = kBoundOptions;

  static fastvec::Spec spec(const Config&) {
    constexpr auto kSpeed1 = static_cast<float>(kMaxSpeed1), kSpeed2 = static_cast<float>(kMaxSpeed2);
    return {.observation = fastvec::Box<float>({-1.0f, -1.0f, -1.0f, -1.0f, -kSpeed1, -kSpeed2},
                                               {1.0f, 1.0f, 1.0f, 1.0f, kSpeed1, kSpeed2}, {6}),
            .action = fastvec::Discrete(3)};
  }

  static void check_options(const Config&, const fastvec::Options& options) { check_bounds(options, kStartBounds); }

  // Gymnasium rounds a start state to float32, and takes its sines and cosines in float32 too.
  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options) {
    const Bounds bounds = read_bounds(options, kStartBounds);
    float start[4];
    for (float& value : start) value = static_cast<float>(rng.uniform(bounds.low, bounds.high));
    state_ = {start[0], start[1], start[2], start[3]};
    directions_ = {numpy_cos(start[0]), numpy_sin(start[0]), numpy_cos(start[1]), numpy_sin(start[1])};
    cosine2_ = std::cos(state_.theta2);
    sine2_ = std::sin(state_.theta2);
    stepped_ = 0;
  }

  fastvec::StepResult step(const Config&, Action action, fastvec::Rng&) {
    const auto torque = static_cast<double>(action - 1);
    const State k1 = derivative(state_, torque, cosine2_, sine2_);
    const State k2 = derivative(state_ + kTimeStep / 2.0 * k1, torque);
    const State k3 = derivative(state_ + kTimeStep / 2.0 * k2, torque);
    const State k4 = derivative(state_ + kTimeStep * k3, torque);
    state_ = state_ + kTimeStep / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4);
    state_.theta1 = wrap(state_.theta1);
    state_.theta2 = wrap(state_.theta2);
    state_.speed1 = clip(state_.speed1, -kMaxSpeed1, kMaxSpeed1);
    state_.speed2 = clip(state_.speed2, -kMaxSpeed2, kMaxSpeed2);

    const double cosine1 = std::cos(state_.theta1);
    const double sine1 = std::sin(state_.theta1);
    cosine2_ = std::cos(state_.theta2);
    sine2_ = std::sin(state_.theta2);
    directions_ = {static_cast<float>(cosine1), static_cast<float>(sine1), static_cast<float>(cosine2_),
                   static_cast<float>(sine2_)};
    stepped_ = 1;
    const bool swung_up = -cosine1 - std::cos(state_.theta2 + state_.theta1) > 1.0;
    return {.reward = swung_up ? 0.0 : -1.0, .terminated = swung_up};
  }

  void observe(const Config&, Observation observation) const {
    for (std::size_t i = 0; i < directions_.size(); ++i) observation[i] = directions_[i];
    observation[4] = static_cast<float>(state_.speed1);
    observation[5] = static_cast<float>(state_.speed2);
  }

 private:
  // Two angles and their velocities, or the derivatives of these.
  struct State {
    double theta1, theta2, speed1, speed2;

    friend State operator+(const State& a, const State& b) {
      return {a.theta1 + b.theta1, a.theta2 + b.theta2, a.speed1 + b.speed1, a.speed2 + b.speed2};
    }
    friend State operator*(double factor, const State& a) {
      return {factor * a.theta1, factor * a.theta2, factor * a.speed1, factor * a.speed2};
    }
  };

  static State derivative(const State& s, double torque) {
    return derivative(s, torque, std::cos(s.theta2), std::sin(s.theta2));
  }

  // `cosine2` and `sine2` are those of s.theta2. Factors that are one are left out: they change no bit.
  static State derivative(const State& s, double torque, double cosine2, double sine2) {
    const double d1 = kMass * (kCenter * kCenter) + (kLength + kCenter * kCenter + cosine2) + kInertia + kInertia;
    const double d2 = (kCenter * kCenter + kCenter * cosine2) + kInertia;
    const double phi2 = kCenter * kGravity * std::cos(s.theta1 + s.theta2 - std::numbers::pi / 2);
    const double phi1 = -kCenter * square(s.speed2) * sine2 - s.speed2 * s.speed1 * sine2 +
                        (kCenter + kLength) * kGravity * std::cos(s.theta1 - std::numbers::pi / 2) + phi2;
    const double acceleration2 = (torque + d2 / d1 * phi1 - kCenter * square(s.speed1) * sine2 - phi2) /
                                 (kCenter * kCenter + kInertia - square(d2) / d1);
    const double acceleration1 = -(d2 * acceleration2 + phi1) / d1;
    return {s.speed1, s.speed2, acceleration1, acceleration2};
  }

  static double wrap(double angle) {
    const double below = unwind(angle);
    return below < -std::numbers::pi ? -unwind(-below) : below;
  }

  // Takes off whole turns one by one while the angle is above pi, as Gymnasium does, with a rounding each time.
  // Between two powers of two that rounding takes off the same each time, so many turns can go at once.
  static double unwind(double angle) {
    constexpr double kTurn = 2 * std::numbers::pi;
    while (angle > std::numbers::pi) {
      if (angle > 0x1p20) {
        const double power = power_of_two_below(angle);
        const double ulp = power * 0x1p-52;
        const auto turn = static_cast<std::int64_t>(std::nearbyint(kTurn / ulp));
        if (turn == 0) throw std::runtime_error("an angle is too large to be wrapped");
        const auto above = static_cast<std::int64_t>((angle - power) / ulp);
        if (above > turn) angle -= static_cast<double>((above - 1) / turn * turn) * ulp;
      }
      angle -= kTurn;
    }
    return angle;
  }

  static constexpr double kMass = 1.0, kLength = 1.0, kInertia = 1.0;
  static constexpr double kCenter = 0.5;  // from a joint to its link's center of mass
  static constexpr double kGravity = 9.8;
  static constexpr double kTimeStep = 0.2;  // seconds
  static constexpr double kMaxSpeed1 = 4 * std::numbers::pi, kMaxSpeed2 = 9 * std::numbers::pi;
  static constexpr Bounds kStartBounds{-0.1, 0.1};

  State state_;
  double cosine2_, sine2_;           // of theta2: the next step begins with them
  std::array<float, 4> directions_;  // cosine and sine of theta1 and of theta2, as observed
  std::uint64_t stepped_;            // 0: just reset, and the state is float32
};

}  // namespace classic_control
