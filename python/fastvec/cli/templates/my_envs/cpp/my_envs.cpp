// GridWalk: walk on a square grid to a goal. Replace it by an env of your own; fastvec/env.hpp says how.
#include <fastvec/env.hpp>

#include <algorithm>

class GridWalk {
 public:
  struct Config {
    std::int64_t size = 8;
    double slip = 0.0;
    static constexpr auto kwargs() {
      return std::tuple{fastvec::kwarg("size", &Config::size, "cells per side"),
                        fastvec::kwarg("slip", &Config::slip, "probability that a step goes astray")};
    }
  };
  using Action = std::int64_t;              // right, left, up, down
  using Observation = std::span<float, 4>;  // x and y, and how far right and up the goal is; 1 is the whole side

  static fastvec::Spec spec(const Config& config) {
    if (config.size < 2) throw fastvec::InvalidArgument("expected size >= 2, got " + std::to_string(config.size));
    if (!(config.slip >= 0.0 && config.slip <= 1.0)) throw fastvec::InvalidArgument("expected slip from 0 to 1");
    return {.observation = fastvec::Box<float>(-1.0f, 1.0f, {4}),
            .action = fastvec::Discrete(4),
            .info = {fastvec::info_field<std::int64_t>("distance")}};
  }

  void reset(const Config& config, fastvec::Rng& rng, const fastvec::Options&) {
    x_ = y_ = 0;
    do {
      goal_x_ = rng.integers(0, config.size);
      goal_y_ = rng.integers(0, config.size);
    } while (distance() == 0);
  }

  fastvec::StepResult step(const Config& config, Action action, fastvec::Rng& rng, fastvec::Info& info) {
    if (config.slip > 0.0 && rng.random() < config.slip) action = rng.integers(0, 4);
    std::int64_t& at = action < 2 ? x_ : y_;
    at = std::clamp<std::int64_t>(at + (action % 2 == 0 ? 1 : -1), 0, config.size - 1);
    info.set(0, distance());
    const bool arrived = distance() == 0;
    return {.reward = arrived ? 1.0 : -0.01, .terminated = arrived};
  }

  void observe(const Config& config, Observation observation) const {
    const float scale = 1.0f / static_cast<float>(config.size - 1);
    observation[0] = static_cast<float>(x_) * scale;
    observation[1] = static_cast<float>(y_) * scale;
    observation[2] = static_cast<float>(goal_x_ - x_) * scale;
    observation[3] = static_cast<float>(goal_y_ - y_) * scale;
  }

 private:
  std::int64_t distance() const { return std::abs(goal_x_ - x_) + std::abs(goal_y_ - y_); }

  std::int64_t x_, y_, goal_x_, goal_y_;
};

FASTVEC_PLUGIN("my_envs", fastvec::env<GridWalk>("my_envs/GridWalk-v0", {.max_episode_steps = 100}))
