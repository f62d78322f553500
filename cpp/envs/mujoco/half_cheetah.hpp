// HalfCheetah, the numbers of gymnasium.envs.mujoco.half_cheetah_v5 (and v4).
#pragma once

#include "locomotion.hpp"

namespace mujoco_envs {

class HalfCheetah : public MujocoEnv {
 public:
  struct Config : ForwardConfig {
    Config() { ctrl_cost_weight = 0.1; }
    static constexpr auto kwargs() { return forward_kwargs<Config>(); }
  };
  using Shared = BaseShared<Config>;
  using MujocoEnv::MujocoEnv;

  static fastvec::Spec spec(const Shared& shared) {
    require_size(shared.simulator, 1, 0);
    noise_scale(shared.config.reset_noise_scale);
    return make_spec(shared, shared.simulator.nq() + shared.simulator.nv() - skipped(shared),
                     {number_field("x_position"), number_field("x_velocity"),
                      number_field(shared.config.version == 4 ? "reward_run" : "reward_forward"),
                      fastvec::info_field<float>("reward_ctrl"), fastvec::info_field<double>("reward_ctrl")});
  }

  void reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options&, fastvec::Info& info) {
    const Config& config = shared.config;
    data_->reset([&](std::span<double> qpos, std::span<double> qvel) {
      add_uniform(qpos, config.init_qpos, config.reset_noise_scale, rng);
      add_normal(qvel, config.init_qvel, config.reset_noise_scale, rng);
    });
    if (config.version != 4) info.set(kXPosition, data_->qpos()[0]);
  }

  template <class T>
  fastvec::StepResult step(const Shared& shared, std::span<const T> action, fastvec::Rng&, fastvec::Info& info) {
    const Config& config = shared.config;
    const double before = data_->qpos()[0];
    data_->step(action);
    const double after = data_->qpos()[0];
    const double velocity = (after - before) / config.dt;
    const double forward = config.forward_reward_weight * velocity;
    const Cost cost = control_cost(action, config.ctrl_cost_weight, config.float64_ctrl_weight);
    info.set(kXPosition, after);
    info.set(kXVelocity, velocity);
    info.set(kRewardForward, forward);
    set_cost(info, kRewardCtrl, cost);
    return {.reward = forward - cost.value};
  }

  void observe(const Shared& shared, Observation observation) const {
    Writer writer(observation);
    writer.add(data_->qpos().subspan(skipped(shared)));
    writer.add(data_->qvel());
  }

 private:
  enum : std::size_t { kXPosition, kXVelocity, kRewardForward, kRewardCtrl };

  static std::size_t skipped(const Shared& shared) {
    return shared.config.exclude_current_positions_from_observation ? 1 : 0;
  }
};

}  // namespace mujoco_envs
