// Swimmer, the numbers of gymnasium.envs.mujoco.swimmer_v5 (and v4).
#pragma once

#include "mujoco_env.hpp"

namespace mujoco_envs {

class Swimmer : public MujocoEnv {
 public:
  struct Config : BaseConfig {
    double forward_reward_weight = 1.0;
    double ctrl_cost_weight = 1e-4;
    double reset_noise_scale = 0.1;
    bool exclude_current_positions_from_observation = true;

    static constexpr auto kwargs() {
      return std::tuple_cat(base_kwargs<Config>(),
                            std::tuple{fastvec::kwarg("forward_reward_weight", &Config::forward_reward_weight),
                                       fastvec::kwarg("ctrl_cost_weight", &Config::ctrl_cost_weight),
                                       fastvec::kwarg("reset_noise_scale", &Config::reset_noise_scale),
                                       fastvec::kwarg("exclude_current_positions_from_observation",
                                                      &Config::exclude_current_positions_from_observation)});
    }
  };
  using Shared = BaseShared<Config>;
  using MujocoEnv::MujocoEnv;

  static fastvec::Spec spec(const Shared& shared) {
    require_size(shared.simulator, 2, 0);
    noise_scale(shared.config.reset_noise_scale);
    const bool old = shared.config.version == 4;
    return make_spec(shared, shared.simulator.nq() + shared.simulator.nv() - skipped(shared),
                     {number_field("x_position"), number_field("y_position"), number_field("distance_from_origin"),
                      number_field("x_velocity"), number_field("y_velocity"),
                      number_field(old ? "reward_fwd" : "reward_forward"), fastvec::info_field<float>("reward_ctrl"),
                      fastvec::info_field<double>("reward_ctrl"), number_field("forward_reward")});
  }

  void reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options&, fastvec::Info& info) {
    const Config& config = shared.config;
    data_->reset([&](std::span<double> qpos, std::span<double> qvel) {
      add_uniform(qpos, config.init_qpos, config.reset_noise_scale, rng);
      add_uniform(qvel, config.init_qvel, config.reset_noise_scale, rng);
    });
    if (config.version != 4) tell_position(shared, info);
  }

  template <class T>
  fastvec::StepResult step(const Shared& shared, std::span<const T> action, fastvec::Rng&, fastvec::Info& info) {
    const Config& config = shared.config;
    const double x = data_->qpos()[0], y = data_->qpos()[1];
    data_->step(action);
    const double x_velocity = (data_->qpos()[0] - x) / config.dt;
    const double y_velocity = (data_->qpos()[1] - y) / config.dt;
    const double forward = config.forward_reward_weight * x_velocity;
    const Cost cost = control_cost(action, config.ctrl_cost_weight, config.float64_ctrl_weight);
    tell_position(shared, info);
    info.set(kXVelocity, x_velocity);
    info.set(kYVelocity, y_velocity);
    info.set(kRewardForward, forward);
    set_cost(info, kRewardCtrl, cost);
    if (config.version == 4) info.set(kForwardReward, forward);
    return {.reward = forward - cost.value};
  }

  void observe(const Shared& shared, Observation observation) const {
    Writer writer(observation);
    writer.add(data_->qpos().subspan(skipped(shared)));
    writer.add(data_->qvel());
  }

 private:
  enum : std::size_t {
    kXPosition,
    kYPosition,
    kDistance,
    kXVelocity,
    kYVelocity,
    kRewardForward,
    kRewardCtrl,
    kForwardReward = 8
  };

  static std::size_t skipped(const Shared& shared) {
    return shared.config.exclude_current_positions_from_observation ? 2 : 0;
  }

  void tell_position(const Shared& shared, fastvec::Info& info) const {
    const std::span<const double> position = data_->qpos().first(2);
    info.set(kXPosition, position[0]);
    info.set(kYPosition, position[1]);
    info.set(kDistance, norm(position, shared.simulator.rounding()));
  }
};

}  // namespace mujoco_envs
