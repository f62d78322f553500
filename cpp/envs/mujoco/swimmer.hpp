// Swimmer, the numbers of gymnasium.envs.mujoco.swimmer_v5 (and v4).
#pragma once

#include "locomotion.hpp"

namespace mujoco_envs {

class Swimmer : public MujocoEnv {
 public:
  struct Config : ForwardConfig {
    Config() { ctrl_cost_weight = 1e-4; }
    static constexpr auto kwargs() { return forward_kwargs<Config>(); }
  };
  struct Shared : BaseShared<Config> {
    explicit Shared(const Config& given) : BaseShared<Config>(given) {
      const bool is_v4 = given.version == 4;
      const auto add_rewards = [&](const char* forward) {
        reward_forward = fields.number(forward);
        reward_ctrl = fields.cost("reward_ctrl");
      };
      if (is_v4) add_rewards("reward_fwd");
      plane = PlaneFields::add_to(fields);
      if (is_v4) forward_reward = fields.number("forward_reward");
      else add_rewards("reward_forward");
    }

    InfoFields fields;
    PlaneFields plane;
    std::size_t reward_forward = 0, reward_ctrl = 0, forward_reward = 0;
  };
  using MujocoEnv::MujocoEnv;

  static fastvec::Spec spec(const Shared& shared) {
    require_size(shared.simulator, 2, 0);
    noise_scale(shared.config.reset_noise_scale);
    return make_spec(shared, shared.simulator.nq() + shared.simulator.nv() - skipped(shared), shared.fields.all());
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
    shared.plane.set_velocity(info, x_velocity, y_velocity);
    info.set(shared.reward_forward, forward);
    set_cost(info, shared.reward_ctrl, cost);
    if (config.version == 4) info.set(shared.forward_reward, forward);
    return {.reward = forward - cost.value};
  }

  void observe(const Shared& shared, Observation observation) const {
    Writer writer(observation);
    writer.add(data_->qpos().subspan(skipped(shared)));
    writer.add(data_->qvel());
  }

 private:
  static std::size_t skipped(const Shared& shared) {
    return shared.config.exclude_current_positions_from_observation ? 2 : 0;
  }

  void tell_position(const Shared& shared, fastvec::Info& info) const {
    shared.plane.set_position(info, data_->qpos().first(2), shared.simulator.rounding());
  }
};

}  // namespace mujoco_envs
