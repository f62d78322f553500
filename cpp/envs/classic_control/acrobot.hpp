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
#include <tuple>

#include "bounds.hpp"
#include "fastvec/env.hpp"
#include "fastvec/numpy.hpp"

namespace classic_control {

namespace numpy = fastvec::numpy;

class Acrobot {
 public:
  // Gymnasium's attributes, under their names.
  struct Config {
    double dt = 0.2;  // seconds
    double link_length_1 = 1.0;
    double link_mass_1 = 1.0, link_mass_2 = 1.0;
    double link_com_pos_1 = 0.5, link_com_pos_2 = 0.5;  // from a joint to its link's center of mass
    double link_moi = 1.0;
    double max_vel_1 = 4 * std::numbers::pi, max_vel_2 = 9 * std::numbers::pi;
    double torque_noise_max = 0.0;
    bool nips = false;

    static constexpr auto parameters() {
      return std::tuple{fastvec::parameter("dt", &Config::dt, "seconds per step"),
                        fastvec::parameter("LINK_LENGTH_1", &Config::link_length_1, "in m"),
                        fastvec::parameter("LINK_MASS_1", &Config::link_mass_1, "in kg"),
                        fastvec::parameter("LINK_MASS_2", &Config::link_mass_2, "in kg"),
                        fastvec::parameter("LINK_COM_POS_1", &Config::link_com_pos_1, "in m from its joint"),
                        fastvec::parameter("LINK_COM_POS_2", &Config::link_com_pos_2, "in m from its joint"),
                        fastvec::parameter("LINK_MOI", &Config::link_moi, "moment of inertia of either link"),
                        fastvec::parameter("MAX_VEL_1", &Config::max_vel_1, "in radians per second"),
                        fastvec::parameter("MAX_VEL_2", &Config::max_vel_2, "in radians per second"),
                        fastvec::parameter("torque_noise_max", &Config::torque_noise_max, "either way, at each step"),
                        fastvec::parameter("book_or_nips", &Config::nips, "1: the paper's equations, 0: the book's")};
    }
  };
  // The dynamics' constants. Products of them are taken in the order in which Python does.
  struct Shared {
    explicit Shared(const Config& c)
        : config(c),
          inertia_1(c.link_mass_1 * numpy::square(c.link_com_pos_1)),
          distance(numpy::square(c.link_length_1) + numpy::square(c.link_com_pos_2)),
          elbow_1(2 * c.link_length_1 * c.link_com_pos_2),
          center(numpy::square(c.link_com_pos_2)),
          elbow_2(c.link_length_1 * c.link_com_pos_2),
          weight_2(c.link_mass_2 * c.link_com_pos_2 * kGravity),
          weight_1((c.link_mass_1 * c.link_com_pos_1 + c.link_mass_2 * c.link_length_1) * kGravity),
          coupling(c.link_mass_2 * c.link_length_1 * c.link_com_pos_2),
          coriolis(2 * c.link_mass_2 * c.link_length_1 * c.link_com_pos_2),
          inertia_2(c.link_mass_2 * numpy::square(c.link_com_pos_2) + c.link_moi) {}
    Config config;
    double inertia_1, distance, elbow_1, center, elbow_2, weight_2, weight_1, coupling, coriolis, inertia_2;
  };
  using Action = std::int64_t;
  using Observation = std::span<float, 6>;
  static constexpr std::array kOptions = kBoundOptions;

  static fastvec::Spec spec(const Shared& shared) {
    const auto speed1 = static_cast<float>(shared.config.max_vel_1),
               speed2 = static_cast<float>(shared.config.max_vel_2);
    return {.observation = fastvec::Box<float>({-1.0f, -1.0f, -1.0f, -1.0f, -speed1, -speed2},
                                               {1.0f, 1.0f, 1.0f, 1.0f, speed1, speed2}, {6}),
            .action = fastvec::Discrete(3)};
  }

  static void check_options(const Shared&, const fastvec::Options& options) { check_bounds(options, kStartBounds); }

  // Gymnasium rounds a start state to float32, and takes its sines and cosines in float32 too.
  void reset(const Shared&, fastvec::Rng& rng, const fastvec::Options& options) {
    const Bounds bounds = read_bounds(options, kStartBounds);
    float start[4];
    for (float& value : start) value = static_cast<float>(rng.uniform(bounds.low, bounds.high));
    state_ = {start[0], start[1], start[2], start[3]};
    directions_ = {numpy::cos(start[0]), numpy::sin(start[0]), numpy::cos(start[1]), numpy::sin(start[1])};
    cosine2_ = std::cos(state_.theta2);
    sine2_ = std::sin(state_.theta2);
    stepped_ = 0;
  }

  fastvec::StepResult step(const Shared& shared, Action action, fastvec::Rng& rng) {
    const Config& config = shared.config;
    auto torque = static_cast<double>(action - 1);
    if (config.torque_noise_max > 0) torque += rng.uniform(-config.torque_noise_max, config.torque_noise_max);
    const double dt = config.dt;
    const State k1 = derivative(shared, state_, torque, cosine2_, sine2_);
    const State k2 = derivative(shared, state_ + dt / 2.0 * k1, torque);
    const State k3 = derivative(shared, state_ + dt / 2.0 * k2, torque);
    const State k4 = derivative(shared, state_ + dt * k3, torque);
    state_ = state_ + dt / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4);
    state_.theta1 = wrap(state_.theta1);
    state_.theta2 = wrap(state_.theta2);
    state_.speed1 = numpy::clip(state_.speed1, -config.max_vel_1, config.max_vel_1);
    state_.speed2 = numpy::clip(state_.speed2, -config.max_vel_2, config.max_vel_2);

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

  void observe(const Shared&, Observation observation) const {
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

  static State derivative(const Shared& shared, const State& s, double torque) {
    return derivative(shared, s, torque, std::cos(s.theta2), std::sin(s.theta2));
  }

  // `cosine2` and `sine2` are those of s.theta2.
  static State derivative(const Shared& c, const State& s, double torque, double cosine2, double sine2) {
    const double moi = c.config.link_moi, mass2 = c.config.link_mass_2;
    const double d1 = c.inertia_1 + mass2 * (c.distance + c.elbow_1 * cosine2) + moi + moi;
    const double d2 = mass2 * (c.center + c.elbow_2 * cosine2) + moi;
    const double phi2 = c.weight_2 * std::cos(s.theta1 + s.theta2 - std::numbers::pi / 2);
    const double phi1 = -c.coupling * numpy::square(s.speed2) * sine2 - c.coriolis * s.speed2 * s.speed1 * sine2 +
                        c.weight_1 * std::cos(s.theta1 - std::numbers::pi / 2) + phi2;
    const double force = torque + d2 / d1 * phi1;
    const double free = c.config.nips ? force - phi2 : force - c.coupling * numpy::square(s.speed1) * sine2 - phi2;
    const double acceleration2 = free / (c.inertia_2 - numpy::square(d2) / d1);
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
        const double power = numpy::power_of_two_below(angle);
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

  static constexpr double kGravity = 9.8;
  static constexpr Bounds kStartBounds{-0.1, 0.1};

  State state_;
  double cosine2_, sine2_;           // of theta2: the next step begins with them
  std::array<float, 4> directions_;  // cosine and sine of theta1 and of theta2, as observed
  std::uint64_t stepped_;            // 0: just reset, and the state is float32
};

}  // namespace classic_control
