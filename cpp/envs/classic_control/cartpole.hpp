// CartPole, the numbers of gymnasium.envs.classic_control.cartpole.CartPoleEnv bit for bit.
// Source of the dynamics: Barto, Sutton and Anderson, "Neuronlike Adaptive Elements That Can Solve
// Difficult Learning Control Problems" (1983); Florian, "Correct equations for the dynamics of the
// cart-pole system" (2007).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <tuple>
#include <vector>

#include "bounds.hpp"
#include "fastvec/env.hpp"
#include "fastvec/inline.hpp"

namespace classic_control {

class CartPole {
 public:
  struct Config {
    bool sutton_barto_reward = false;

    // Under Gymnasium's names. What follows from two of them is a number of its own there, and so it is here.
    double gravity = 9.8;
    double masscart = 1.0;
    double masspole = 0.1;
    double total_mass = 0.1 + 1.0;
    double length = 0.5;  // half the pole's
    double polemass_length = 0.1 * 0.5;
    double force_mag = 10.0;
    double tau = 0.02;  // seconds
    double theta_threshold_radians = 12 * 2 * std::numbers::pi / 360;
    double x_threshold = 2.4;
    bool semi_implicit = false;  // the integrator

    static constexpr auto kwargs() {
      return std::tuple{fastvec::kwarg("sutton_barto_reward", &Config::sutton_barto_reward,
                                       "reward 0 per step and -1 for falling, instead of 1 per step")};
    }
    static constexpr auto parameters() {
      return std::tuple{
          fastvec::parameter("gravity", &Config::gravity, "in m/s**2"),
          fastvec::parameter("masscart", &Config::masscart, "not used: see total_mass"),
          fastvec::parameter("masspole", &Config::masspole, "of the pole alone; see polemass_length"),
          fastvec::parameter("total_mass", &Config::total_mass, "of cart and pole"),
          fastvec::parameter("length", &Config::length, "half the pole's length"),
          fastvec::parameter("polemass_length", &Config::polemass_length, "masspole times length"),
          fastvec::parameter("force_mag", &Config::force_mag, "force of a push"),
          fastvec::parameter("tau", &Config::tau, "seconds per step"),
          fastvec::parameter("theta_threshold_radians", &Config::theta_threshold_radians, "an episode ends beyond it"),
          fastvec::parameter("x_threshold", &Config::x_threshold, "an episode ends beyond it"),
          fastvec::parameter("kinematics_integrator", &Config::semi_implicit, "0: Euler's")};
    }
  };
  using Action = std::int64_t;
  using Observation = std::span<float, 4>;
  static constexpr std::array kOptions = kBoundOptions;
  static constexpr bool kStepsFinished = true;

  static fastvec::Spec spec(const Config& config) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const std::vector<float> high{static_cast<float>(config.x_threshold * 2), kInfinity,
                                  static_cast<float>(config.theta_threshold_radians * 2), kInfinity};
    const std::vector<float> low{-high[0], -high[1], -high[2], -high[3]};
    return {.observation = fastvec::Box<float>(low, high, {4}), .action = fastvec::Discrete(2)};
  }

  static void check_options(const Config&, const fastvec::Options& options) { check_bounds(options, kStartBounds); }

  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options) {
    const Bounds bounds = read_bounds(options, kStartBounds);
    x_ = rng.uniform(bounds.low, bounds.high);
    x_dot_ = rng.uniform(bounds.low, bounds.high);
    theta_ = rng.uniform(bounds.low, bounds.high);
    theta_dot_ = rng.uniform(bounds.low, bounds.high);
  }

  // A block of envs at a time: sine and cosine one by one, for their bits are the C library's, and the rest side by
  // side. Every operation is the one that NumPy does on a scalar, so the bits do not depend on the width of a vector.
  FASTVEC_VECTOR_CLONES
  static void step_range(const Config& config, const fastvec::StepRange<CartPole>& range) {
    const std::span<CartPole> envs = range.envs();
    const std::int64_t* const actions = range.actions();
    float* const observations = range.observations();
    double* const rewards = range.rewards().data();
    std::uint8_t* const terminated = range.terminated().data();
    std::uint8_t* const truncated = range.truncated().data();
    const double standing = config.sutton_barto_reward ? 0.0 : 1.0;
    const double falling = config.sutton_barto_reward ? -1.0 : 1.0;
    const std::array forces{-config.force_mag, config.force_mag};
    const Config physics = config;  // a copy that no write through a pointer can change, as far as compilers know
    Block block{};
    for (std::size_t first = 0; first < envs.size(); first += kBlock) {
      const std::size_t count = std::min(kBlock, envs.size() - first);
      for (std::size_t k = 0; k < count; ++k) {
        const CartPole& env = envs[first + k];
        block.x[k] = env.x_;
        block.x_dot[k] = env.x_dot_;
        block.theta[k] = env.theta_;
        block.theta_dot[k] = env.theta_dot_;
        block.force[k] = forces[actions[first + k] & 1];  // no branch: nobody foresees it
        block.sine[k] = std::sin(env.theta_);
        block.cosine[k] = std::cos(env.theta_);
      }
      if (physics.semi_implicit) advance<true>(physics, block);
      else advance<false>(physics, block);
      for (std::size_t k = 0; k < count; ++k) {
        CartPole& env = envs[first + k];
        env.x_ = block.x[k];
        env.x_dot_ = block.x_dot[k];
        env.theta_ = block.theta[k];
        env.theta_dot_ = block.theta_dot[k];
        const bool fallen = block.fallen[k] != 0;
        rewards[first + k] = fallen ? falling : standing;
        terminated[first + k] = fallen ? 1 : 0;
        truncated[first + k] = 0;
        float* const observation = observations + 4 * (first + k);
        observation[0] = static_cast<float>(block.x[k]);
        observation[1] = static_cast<float>(block.x_dot[k]);
        observation[2] = static_cast<float>(block.theta[k]);
        observation[3] = static_cast<float>(block.theta_dot[k]);
      }
    }
  }

  void observe(const Config&, Observation observation) const {
    observation[0] = static_cast<float>(x_);
    observation[1] = static_cast<float>(x_dot_);
    observation[2] = static_cast<float>(theta_);
    observation[3] = static_cast<float>(theta_dot_);
  }

 private:
  static constexpr std::size_t kBlock = fastvec::block_size(16);
  struct Block {
    double x[kBlock], x_dot[kBlock], theta[kBlock], theta_dot[kBlock];
    double force[kBlock], sine[kBlock], cosine[kBlock];
    std::int64_t fallen[kBlock];  // 0 or 1, as wide as the rest
  };

  // One time step of Euler's method, without branches, so that compilers turn the loop into vector instructions.
  template <bool kSemiImplicit>
  static FASTVEC_ALWAYS_INLINE void advance(const Config& c, Block& b) {
    for (std::size_t k = 0; k < kBlock; ++k) {
      const double push =
          (b.force[k] + c.polemass_length * (b.theta_dot[k] * b.theta_dot[k]) * b.sine[k]) / c.total_mass;
      const double angular = (c.gravity * b.sine[k] - b.cosine[k] * push) /
                             (c.length * (4.0 / 3.0 - c.masspole * (b.cosine[k] * b.cosine[k]) / c.total_mass));
      const double linear = push - c.polemass_length * angular * b.cosine[k] / c.total_mass;
      const double x_dot = b.x_dot[k] + c.tau * linear;
      const double theta_dot = b.theta_dot[k] + c.tau * angular;
      b.x[k] = b.x[k] + c.tau * (kSemiImplicit ? x_dot : b.x_dot[k]);
      b.x_dot[k] = x_dot;
      b.theta[k] = b.theta[k] + c.tau * (kSemiImplicit ? theta_dot : b.theta_dot[k]);
      b.theta_dot[k] = theta_dot;
      b.fallen[k] = (b.x[k] < -c.x_threshold) | (b.x[k] > c.x_threshold) | (b.theta[k] < -c.theta_threshold_radians) |
                    (b.theta[k] > c.theta_threshold_radians);
    }
  }

  static constexpr Bounds kStartBounds{-0.05, 0.05};

  double x_, x_dot_, theta_, theta_dot_;
};

}  // namespace classic_control
