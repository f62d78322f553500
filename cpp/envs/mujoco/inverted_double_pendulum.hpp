// InvertedDoublePendulum, the numbers of gymnasium.envs.mujoco.inverted_double_pendulum_v5 (and v4).
#pragma once

#include <algorithm>
#include <cmath>

#include "mujoco_env.hpp"

namespace mujoco_envs {

class InvertedDoublePendulum : public MujocoEnv {
 public:
  struct Config : BaseConfig {
    double healthy_reward = 10.0;
    double reset_noise_scale = 0.1;

    static constexpr auto kwargs() {
      return std::tuple_cat(base_kwargs<Config>(),
                            std::tuple{fastvec::kwarg("healthy_reward", &Config::healthy_reward),
                                       fastvec::kwarg("reset_noise_scale", &Config::reset_noise_scale)});
    }
  };
  using Shared = BaseShared<Config>;
  using MujocoEnv::MujocoEnv;

  static fastvec::Spec spec(const Shared& shared) {
    noise_scale(shared.config.reset_noise_scale);
    const Simulator& simulator = shared.simulator;
    if (simulator.size(kSiteXpos) < 3) throw fastvec::InvalidArgument("expected a model with a site, got none");
    require_size(simulator, 1, 3);
    const std::size_t size = 1 + 2 * (simulator.nq() - 1) + simulator.nv() + observed_forces(shared);
    return make_spec(shared, size,
                     {bonus_field("reward_survive", shared.config), number_field("distance_penalty"),
                      number_field("velocity_penalty")});
  }

  void reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options&) {
    const Config& config = shared.config;
    data_->reset([&](std::span<double> qpos, std::span<double> qvel) {
      add_uniform(qpos, config.init_qpos, config.reset_noise_scale, rng);
      add_normal(qvel, config.init_qvel, config.reset_noise_scale, rng);
    });
  }

  template <class T>
  fastvec::StepResult step(const Shared& shared, std::span<const T> action, fastvec::Rng&, fastvec::Info& info) {
    const Config& config = shared.config;
    data_->step(action);
    const std::span<const double> tip = (*data_)[kSiteXpos].first(3);
    const double x = tip[0], y = tip[2];
    const double v1 = data_->qvel()[1], v2 = data_->qvel()[2];
    const bool terminated = y <= 1.0;
    const double distance = 0.01 * numpy::square(x) + numpy::square(y - 2.0);
    const double speed = 1e-3 * numpy::square(v1) + 5e-3 * numpy::square(v2);
    // v4 has the bonus at the last step too.
    const double alive = config.healthy_reward * (terminated && config.version != 4 ? 0.0 : 1.0);
    if (config.version != 4) {
      set_bonus(info, 0, alive, config);
      info.set(1, -distance);
      info.set(2, -speed);
    }
    return {.reward = (alive - distance) - speed, .terminated = terminated};
  }

  void observe(const Shared& shared, Observation observation) const {
    Writer writer(observation);
    const std::span<const double> qpos = data_->qpos();
    writer.add(qpos[0]);
    for (const double angle : qpos.subspan(1)) writer.add(std::sin(angle));
    for (const double angle : qpos.subspan(1)) writer.add(std::cos(angle));
    writer.add_clipped(data_->qvel(), -10.0, 10.0);
    writer.add_clipped((*data_)[kQfrcConstraint].first(observed_forces(shared)), -10.0, 10.0);
  }

 private:
  static std::size_t observed_forces(const Shared& shared) {
    return shared.config.version == 4 ? shared.simulator.nv() : std::min<std::size_t>(shared.simulator.nv(), 1);
  }
};

}  // namespace mujoco_envs
