// Pendulum, the numbers of gymnasium.envs.classic_control.pendulum.PendulumEnv bit for bit, for float32 actions
// and for float64 ones (whose torque and cost are then computed in float64).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>
#include <tuple>
#include <type_traits>

#include "bounds.hpp"
#include "fastvec/env.hpp"
#include "fastvec/inline.hpp"
#include "fastvec/numpy.hpp"

namespace classic_control {

namespace numpy = fastvec::numpy;

class Pendulum {
 public:
  // Under Gymnasium's names.
  struct Config {
    double g = 10.0, m = 1.0, l = 1.0;
    double dt = 0.05;  // seconds
    double max_speed = 8.0;
    double max_torque = 2.0;

    static constexpr auto kwargs() {
      return std::tuple{fastvec::kwarg("g", &Config::g, "acceleration of gravity, in m/s**2")};
    }
    static constexpr auto parameters() {
      return std::tuple{fastvec::parameter("g", &Config::g, "acceleration of gravity, in m/s**2"),
                        fastvec::parameter("m", &Config::m, "mass, in kg"),
                        fastvec::parameter("l", &Config::l, "length, in m"),
                        fastvec::parameter("dt", &Config::dt, "seconds per step"),
                        fastvec::parameter("max_speed", &Config::max_speed, "in radians per second"),
                        fastvec::parameter("max_torque", &Config::max_torque, "actions are clipped to it, either way")};
    }
  };
  struct Shared {
    explicit Shared(const Config& config)
        : gravity(3 * config.g / (2 * config.l)),
          response(3.0 / (config.m * numpy::square(config.l))),
          time_step(config.dt),
          max_speed(config.max_speed),
          max_torque(config.max_torque) {}
    double gravity;   // angular acceleration when horizontal
    double response;  // angular acceleration per torque
    double time_step, max_speed, max_torque;
  };
  using Action = std::span<const float, 1>;
  using Observation = std::span<float, 3>;
  static constexpr std::array kOptions{
      fastvec::Option{"x_init", "largest start angle, either way, in radians"},
      fastvec::Option{"y_init", "largest start velocity, either way, in radians per second"},
  };

  static fastvec::Spec spec(const Shared& shared) {
    const auto speed = static_cast<float>(shared.max_speed), torque = static_cast<float>(shared.max_torque);
    return {.observation = fastvec::Box<float>({-1.0f, -1.0f, -speed}, {1.0f, 1.0f, speed}, {3}),
            .action = fastvec::Box<float>(-torque, torque, {1})};
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

  fastvec::StepResult step(const Shared& shared, std::span<const double, 1> action, fastvec::Rng&) {
    Block<1> one{};
    put(shared, one, 0, action[0]);
    advance(shared, one);
    return {.reward = take(shared, one, 0)};
  }

  // Many envs at a time: sine and cosine one by one, for their bits are the C library's, the rest side by side.
  FASTVEC_VECTOR_CLONES
  static void step_range(const Shared& given, const fastvec::StepRange<Pendulum>& range) {
    constexpr std::size_t kBlock = fastvec::block_size(16);
    const Shared shared = given;  // a copy that no write through a pointer can change, as far as compilers know
    const std::span<Pendulum> envs = range.envs();
    const float* const actions = range.actions();
    double* const rewards = range.rewards().data();
    std::fill_n(range.terminated().data(), envs.size(), std::uint8_t{0});
    std::fill_n(range.truncated().data(), envs.size(), std::uint8_t{0});
    Block<kBlock> block{};
    for (std::size_t first = 0; first < envs.size(); first += kBlock) {
      const std::size_t count = std::min(kBlock, envs.size() - first);
      for (std::size_t k = 0; k < count; ++k) envs[first + k].put(shared, block, k, actions[first + k]);
      advance(shared, block);
      for (std::size_t k = 0; k < count; ++k) {
        rewards[first + k] = envs[first + k].take(shared, block, k);
        envs[first + k].observe(shared, range.observation(first + k));
      }
    }
  }

  void observe(const Shared&, Observation observation) const {
    observation[0] = static_cast<float>(cosine_);
    observation[1] = static_cast<float>(sine_);
    observation[2] = static_cast<float>(theta_dot_);
  }

 private:
  enum class TorqueKind : std::uint64_t { kNone, kFloat32, kFloat64 };

  // What a step of N envs reads and writes.
  template <std::size_t N>
  struct Block {
    double theta[N], speed[N], sine[N];
    double push[N], effort[N];  // what the torque adds to acceleration and to costs
    double new_speed[N], costs[N];
    std::int64_t exact[N];  // 0: the costs are to be computed again, by the C library
  };

  // Makes this env the k-th of a block. `T` is the action's type: products of the torque alone are rounded to it.
  template <class T, std::size_t N>
  FASTVEC_ALWAYS_INLINE void put(const Shared& shared, Block<N>& b, std::size_t k, T action) {
    const T torque = numpy::clip(action, static_cast<T>(-shared.max_torque), static_cast<T>(shared.max_torque));
    torque_ = static_cast<double>(torque);
    torque_kind_ = std::is_same_v<T, float> ? TorqueKind::kFloat32 : TorqueKind::kFloat64;
    b.theta[k] = theta_;
    b.speed[k] = theta_dot_;
    b.sine[k] = sine_;
    b.push[k] = static_cast<double>(static_cast<T>(shared.response) * torque);
    b.effort[k] = static_cast<double>(static_cast<T>(0.001) * numpy::square(torque));
  }

  template <std::size_t N>
  static FASTVEC_ALWAYS_INLINE void advance(const Shared& shared, Block<N>& b) {
    for (std::size_t k = 0; k < N; ++k) {
      const numpy::Candidate turn = numpy::floor_mod_candidate(b.theta[k] + std::numbers::pi, 2 * std::numbers::pi);
      const numpy::Candidate angle2 = numpy::square_candidate(turn.value - std::numbers::pi);
      const numpy::Candidate speed2 = numpy::square_candidate(b.speed[k]);
      b.costs[k] = angle2.value + 0.1 * speed2.value + b.effort[k];
      b.exact[k] = turn.exact & angle2.exact & speed2.exact;

      const double speed = b.speed[k] + (shared.gravity * b.sine[k] + b.push[k]) * shared.time_step;
      b.new_speed[k] = numpy::clip(speed, -shared.max_speed, shared.max_speed);
    }
  }

  // Makes the k-th of a block that has advanced this env; returns the reward.
  template <std::size_t N>
  FASTVEC_ALWAYS_INLINE double take(const Shared& shared, const Block<N>& b, std::size_t k) {
    theta_dot_ = b.new_speed[k];
    theta_ = b.theta[k] + theta_dot_ * shared.time_step;
    update_direction();
    return -(b.exact[k] != 0 ? b.costs[k] : costs(b.theta[k], b.speed[k], b.effort[k]));
  }

  static double costs(double theta, double speed, double effort) {
    const double angle = numpy::floor_mod(theta + std::numbers::pi, 2 * std::numbers::pi) - std::numbers::pi;
    return numpy::square(angle) + 0.1 * numpy::square(speed) + effort;
  }

  void update_direction() {
    cosine_ = std::cos(theta_);
    sine_ = std::sin(theta_);
  }

  static constexpr double kStartAngle = std::numbers::pi, kStartSpeed = 1.0;

  double theta_, theta_dot_;
  double cosine_, sine_;    // of theta: the observation of this step and the force of the next one
  double torque_;           // of the last step: the picture shows it
  TorqueKind torque_kind_;  // none: just reset
};

}  // namespace classic_control
