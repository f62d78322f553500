// InvertedPendulum, the numbers of gymnasium.envs.mujoco.inverted_pendulum_v5 (and v4).
#pragma once

#include <cmath>

#include "mujoco_env.hpp"

namespace mujoco_envs {

class InvertedPendulum : public MujocoEnv {
 public:
  struct Config : BaseConfig {
    double reset_noise_scale = 0.01;

    static constexpr auto kwargs() {
      return std::tuple_cat(base_kwargs<Config>(),
                            std::tuple{fastvec::kwarg("reset_noise_scale", &Config::reset_noise_scale)});
    }
  };
  using Shared = BaseShared<Config>;
  using MujocoEnv::MujocoEnv;

  static fastvec::Spec spec(const Shared& shared) {
    require_size(shared.simulator, 2, 0);
    noise_scale(shared.config.reset_noise_scale);
    return make_spec(shared, shared.simulator.nq() + shared.simulator.nv(),
                     {fastvec::info_field<std::int64_t>("reward_survive")});
  }

  void reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options&) {
    const Config& config = shared.config;
    data_->reset([&](std::span<double> qpos, std::span<double> qvel) {
      add_uniform(qpos, config.init_qpos, config.reset_noise_scale, rng);
      add_uniform(qvel, config.init_qvel, config.reset_noise_scale, rng);
    });
  }

  template <class T>
  fastvec::StepResult step(const Shared& shared, std::span<const T> action, fastvec::Rng&, fastvec::Info& info) {
    data_->step(action);
    const auto finite = [](double value) { return std::isfinite(value); };
    const std::span<const double> qpos = data_->qpos(), qvel = data_->qvel();
    const bool terminated = !std::all_of(qpos.begin(), qpos.end(), finite) ||
                            !std::all_of(qvel.begin(), qvel.end(), finite) || std::fabs(qpos[1]) > 0.2;
    if (shared.config.version == 4) return {.reward = 1.0, .terminated = terminated};
    info.set(0, std::int64_t{terminated ? 0 : 1});
    return {.reward = terminated ? 0.0 : 1.0, .terminated = terminated};
  }

  void observe(const Shared&, Observation observation) const {
    Writer writer(observation);
    writer.add(data_->qpos());
    writer.add(data_->qvel());
  }
};

}  // namespace mujoco_envs
