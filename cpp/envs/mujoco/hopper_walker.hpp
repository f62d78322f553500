// Hopper and Walker2d, the numbers of gymnasium.envs.mujoco.hopper_v5 and walker2d_v5 (and v4).
#pragma once

#include <vector>

#include "locomotion.hpp"

namespace mujoco_envs {

// Two robots in a plane that differ in when they are healthy.
enum class Biped { kHopper, kWalker2d };

template <Biped kBiped>
class PlanarBiped : public MujocoEnv {
 public:
  struct Config : ForwardConfig {
    double healthy_reward = 1.0;
    bool terminate_when_unhealthy = true;
    std::vector<double> healthy_state_range = {-100.0, 100.0};  // the hopper's alone
    std::vector<double> healthy_z_range =
        kBiped == Biped::kHopper ? std::vector{0.7, kInfinity} : std::vector{0.8, 2.0};
    std::vector<double> healthy_angle_range =
        kBiped == Biped::kHopper ? std::vector{-0.2, 0.2} : std::vector{-1.0, 1.0};

    Config() {
      ctrl_cost_weight = 1e-3;
      reset_noise_scale = 5e-3;
    }
    static constexpr auto kwargs() {
      constexpr auto kShared = std::tuple{fastvec::kwarg("healthy_reward", &Config::healthy_reward),
                                          fastvec::kwarg("terminate_when_unhealthy", &Config::terminate_when_unhealthy),
                                          fastvec::kwarg("healthy_z_range", &Config::healthy_z_range),
                                          fastvec::kwarg("healthy_angle_range", &Config::healthy_angle_range)};
      if constexpr (kBiped == Biped::kHopper) {
        return std::tuple_cat(forward_kwargs<Config>(), kShared,
                              std::tuple{fastvec::kwarg("healthy_state_range", &Config::healthy_state_range)});
      } else {
        return std::tuple_cat(forward_kwargs<Config>(), kShared);
      }
    }
  };
  struct Shared : BaseShared<Config> {
    explicit Shared(const Config& given)
        : BaseShared<Config>(given),
          state(range_of("healthy_state_range", given.healthy_state_range)),
          z(range_of("healthy_z_range", given.healthy_z_range)),
          angle(range_of("healthy_angle_range", given.healthy_angle_range)) {
      noise_scale(given.reset_noise_scale);
    }
    Range state, z, angle;
  };
  using MujocoEnv::MujocoEnv;

  static fastvec::Spec spec(const Shared& shared) {
    require_size(shared.simulator, 3, 0);
    return make_spec(shared, shared.simulator.nq() + shared.simulator.nv() - skipped(shared),
                     {number_field("x_position"), number_field("z_distance_from_origin"), number_field("x_velocity"),
                      number_field("reward_forward"), fastvec::info_field<float>("reward_ctrl"),
                      fastvec::info_field<double>("reward_ctrl"), bonus_field("reward_survive", shared.config)});
  }

  void reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options&, fastvec::Info& info) {
    const Config& config = shared.config;
    data_->reset([&](std::span<double> qpos, std::span<double> qvel) {
      add_uniform(qpos, config.init_qpos, config.reset_noise_scale, rng);
      add_uniform(qvel, config.init_qvel, config.reset_noise_scale, rng);
    });
    if (config.version == 4) return;
    info.set(kXPosition, data_->qpos()[0]);
    info.set(kZDistance, data_->qpos()[1] - config.init_qpos[1]);
  }

  template <class T>
  fastvec::StepResult step(const Shared& shared, std::span<const T> action, fastvec::Rng&, fastvec::Info& info) {
    const Config& config = shared.config;
    const double before = data_->qpos()[0];
    data_->step(action);
    const double after = data_->qpos()[0];
    const double velocity = (after - before) / config.dt;
    const double forward = config.forward_reward_weight * velocity;
    const bool healthy = is_healthy(shared);
    const double survive = bonus(config, healthy);
    const Cost cost = control_cost(action, config.ctrl_cost_weight, config.float64_ctrl_weight);
    info.set(kXPosition, after);
    info.set(kXVelocity, velocity);
    if (config.version != 4) {
      info.set(kZDistance, data_->qpos()[1] - config.init_qpos[1]);
      info.set(kRewardForward, forward);
      set_cost(info, kRewardCtrl, cost);
      set_bonus(info, kRewardSurvive, survive, config);
    }
    return {.reward = (forward + survive) - cost.value, .terminated = !healthy && config.terminate_when_unhealthy};
  }

  void observe(const Shared& shared, Observation observation) const {
    Writer writer(observation);
    writer.add(data_->qpos().subspan(skipped(shared)));
    writer.add_clipped(data_->qvel(), -10.0, 10.0);
  }

 private:
  enum : std::size_t { kXPosition, kZDistance, kXVelocity, kRewardForward, kRewardCtrl, kRewardSurvive = 6 };

  static std::size_t skipped(const Shared& shared) {
    return shared.config.exclude_current_positions_from_observation ? 1 : 0;
  }

  bool is_healthy(const Shared& shared) const {
    const std::span<const double> qpos = data_->qpos();
    if (!within(qpos[1], shared.z) || !within(qpos[2], shared.angle)) return false;
    if constexpr (kBiped == Biped::kHopper) {
      const auto fits = [&](double value) { return within(value, shared.state); };
      const std::span<const double> qvel = data_->qvel();
      return std::all_of(qpos.begin() + 2, qpos.end(), fits) && std::all_of(qvel.begin(), qvel.end(), fits);
    }
    return true;
  }
};

using Hopper = PlanarBiped<Biped::kHopper>;
using Walker2d = PlanarBiped<Biped::kWalker2d>;

}  // namespace mujoco_envs
