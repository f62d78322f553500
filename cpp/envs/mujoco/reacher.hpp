// Reacher, the numbers of gymnasium.envs.mujoco.reacher_v5 (and v4).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <tuple>
#include <vector>

#include "arm.hpp"

namespace mujoco_envs {

class Reacher : public Arm {
 public:
  struct Config : BaseConfig {
    std::vector<std::int64_t> bodies;  // fingertip, target
    double reward_dist_weight = 1.0;
    double reward_control_weight = 1.0;

    static constexpr auto kwargs() {
      return std::tuple_cat(base_kwargs<Config>(),
                            std::tuple{fastvec::kwarg("_arm_bodies", &Config::bodies),
                                       fastvec::kwarg("reward_dist_weight", &Config::reward_dist_weight),
                                       fastvec::kwarg("reward_control_weight", &Config::reward_control_weight)});
    }
  };
  using Shared = BaseShared<Config>;
  using Arm::Arm;

  static fastvec::Spec spec(const Shared& shared) {
    const Simulator& simulator = shared.simulator;
    require_size(simulator, 4, 2);
    return make_spec(shared, 4 + (simulator.nq() - 2) + 2 + observed_axes(shared),
                     {number_field("reward_dist"), fastvec::info_field<float>("reward_ctrl"),
                      fastvec::info_field<double>("reward_ctrl")});
  }

  void reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options&) {
    const Config& config = shared.config;
    data_->reset([&](std::span<double> qpos, std::span<double> qvel) {
      add_uniform(qpos, config.init_qpos, 0.1, rng);
      do {
        for (double& coordinate : place_) coordinate = rng.uniform(-0.2, 0.2);
      } while (!(numpy::norm(place_, shared.simulator.rounding()) < 0.2));
      std::copy(place_.begin(), place_.end(), qpos.end() - 2);
      add_uniform(qvel, config.init_qvel, 0.005, rng);
      std::fill(qvel.end() - 2, qvel.end(), 0.0);
    });
  }

  template <class T>
  fastvec::StepResult step(const Shared& shared, std::span<const T> action, fastvec::Rng&, fastvec::Info& info) {
    const Config& config = shared.config;
    // v4 rewards the distance before the step.
    const double before = config.version == 4 ? numpy::norm(to_target(shared), shared.simulator.rounding()) : 0.0;
    data_->step(action);
    const double distance = config.version == 4 ? before : numpy::norm(to_target(shared), shared.simulator.rounding());
    const double reward_dist = -distance * config.reward_dist_weight;
    const Cost cost = control_cost(action, config.reward_control_weight, config.float64_ctrl_weight);
    info.set(0, reward_dist);
    set_cost(info, 1, cost);
    return {.reward = reward_dist + -cost.value};
  }

  void observe(const Shared& shared, Observation observation) const {
    Writer writer(observation);
    const std::span<const double> qpos = data_->qpos();
    for (const double angle : qpos.first(2)) writer.add(std::cos(angle));
    for (const double angle : qpos.first(2)) writer.add(std::sin(angle));
    writer.add(qpos.subspan(2));
    writer.add(data_->qvel().first(2));
    const std::array<double, 3> way = to_target(shared);
    writer.add(std::span(way).first(observed_axes(shared)));
  }

 private:
  static std::size_t observed_axes(const Shared& shared) { return shared.config.version == 4 ? 3 : 2; }

  std::array<double, 3> to_target(const Shared& shared) const {
    const auto at = [&](std::size_t i) {
      return data_->body_position(static_cast<std::size_t>(shared.config.bodies[i]));
    };
    return difference(at(0), at(1));
  }
};

}  // namespace mujoco_envs
