// Pusher, the numbers of gymnasium.envs.mujoco.pusher_v5.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <tuple>
#include <vector>

#include "arm.hpp"

namespace mujoco_envs {

class Pusher : public Arm {
 public:
  struct Config : BaseConfig {
    std::vector<std::int64_t> bodies;  // the arm's tip, the object, the goal
    double reward_near_weight = 0.5;
    double reward_dist_weight = 1.0;
    double reward_control_weight = 0.1;

    static constexpr auto kwargs() {
      return std::tuple_cat(base_kwargs<Config>(),
                            std::tuple{fastvec::kwarg("_pusher_bodies", &Config::bodies),
                                       fastvec::kwarg("reward_near_weight", &Config::reward_near_weight),
                                       fastvec::kwarg("reward_dist_weight", &Config::reward_dist_weight),
                                       fastvec::kwarg("reward_control_weight", &Config::reward_control_weight)});
    }
  };
  using Shared = BaseShared<Config>;
  using Arm::Arm;

  static fastvec::Spec spec(const Shared& shared) {
    require_size(shared.simulator, 7, 7);
    return make_spec(shared, 7 + 7 + 9,
                     {number_field("reward_dist"), fastvec::info_field<float>("reward_ctrl"),
                      fastvec::info_field<double>("reward_ctrl"), number_field("reward_near")});
  }

  void reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options&) {
    const Config& config = shared.config;
    data_->reset([&](std::span<double> qpos, std::span<double> qvel) {
      do {
        place_ = {rng.uniform(-0.3, 0.0), 0.0};
        place_[1] = rng.uniform(-0.2, 0.2);
      } while (!(numpy::norm(place_, shared.simulator.rounding()) > 0.17));
      std::copy(config.init_qpos.begin(), config.init_qpos.end(), qpos.begin());
      std::copy(place_.begin(), place_.end(), qpos.end() - 4);
      std::fill(qpos.end() - 2, qpos.end(), 0.0);  // the goal
      add_uniform(qvel, config.init_qvel, 0.005, rng);
      std::fill(qvel.end() - 4, qvel.end(), 0.0);
    });
  }

  template <class T>
  fastvec::StepResult step(const Shared& shared, std::span<const T> action, fastvec::Rng&, fastvec::Info& info) {
    const Config& config = shared.config;
    data_->step(action);
    const numpy::Rounding& rounding = shared.simulator.rounding();
    const std::span<const double> object = body(shared, 1);
    const double reward_near = -numpy::norm(difference(object, body(shared, 0)), rounding) * config.reward_near_weight;
    const double reward_dist = -numpy::norm(difference(object, body(shared, 2)), rounding) * config.reward_dist_weight;
    const Cost cost = control_cost(action, config.reward_control_weight, config.float64_ctrl_weight);
    info.set(0, reward_dist);
    set_cost(info, 1, cost);
    info.set(3, reward_near);
    return {.reward = (reward_dist + -cost.value) + reward_near};
  }

  void observe(const Shared& shared, Observation observation) const {
    Writer writer(observation);
    writer.add(data_->qpos().first(7));
    writer.add(data_->qvel().first(7));
    for (std::size_t i = 0; i < 3; ++i) writer.add(body(shared, i));
  }

 private:
  std::span<double> body(const Shared& shared, std::size_t i) const {
    return data_->body_position(static_cast<std::size_t>(shared.config.bodies[i]));
  }
};

}  // namespace mujoco_envs
