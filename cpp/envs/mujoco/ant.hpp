// Ant, the numbers of gymnasium.envs.mujoco.ant_v5 (and v4).
#pragma once

#include <cmath>
#include <vector>

#include "mujoco_env.hpp"

namespace mujoco_envs {

class Ant : public MujocoEnv {
 public:
  struct Config : BaseConfig {
    double forward_reward_weight = 1.0;
    double ctrl_cost_weight = 0.5;
    double contact_cost_weight = 5e-4;
    double healthy_reward = 1.0;
    std::int64_t main_body = 1;  // the body whose velocity is rewarded
    bool terminate_when_unhealthy = true;
    std::vector<double> healthy_z_range = {0.2, 1.0};
    std::vector<double> contact_force_range = {-1.0, 1.0};
    double reset_noise_scale = 0.1;
    bool exclude_current_positions_from_observation = true;
    bool include_cfrc_ext_in_observation = true;
    bool use_contact_forces = false;  // v4: whether contacts are observed, and cost something

    static constexpr auto kwargs() {
      return std::tuple_cat(
          base_kwargs<Config>(),
          std::tuple{fastvec::kwarg("_main_body", &Config::main_body),
                     fastvec::kwarg("forward_reward_weight", &Config::forward_reward_weight),
                     fastvec::kwarg("ctrl_cost_weight", &Config::ctrl_cost_weight),
                     fastvec::kwarg("contact_cost_weight", &Config::contact_cost_weight),
                     fastvec::kwarg("healthy_reward", &Config::healthy_reward),
                     fastvec::kwarg("terminate_when_unhealthy", &Config::terminate_when_unhealthy),
                     fastvec::kwarg("healthy_z_range", &Config::healthy_z_range),
                     fastvec::kwarg("contact_force_range", &Config::contact_force_range),
                     fastvec::kwarg("reset_noise_scale", &Config::reset_noise_scale),
                     fastvec::kwarg("exclude_current_positions_from_observation",
                                    &Config::exclude_current_positions_from_observation),
                     fastvec::kwarg("include_cfrc_ext_in_observation", &Config::include_cfrc_ext_in_observation),
                     fastvec::kwarg("use_contact_forces", &Config::use_contact_forces)});
    }
  };
  struct Shared : BaseShared<Config> {
    explicit Shared(const Config& given)
        : BaseShared<Config>(given),
          z(range_of("healthy_z_range", given.healthy_z_range)),
          force(range_of("contact_force_range", given.contact_force_range)) {
      noise_scale(given.reset_noise_scale);
    }
    bool is_v4() const { return config.version == 4; }
    // The forces that are observed: v5 leaves out those on the world, body 0.
    std::size_t first_force() const { return is_v4() ? 0 : 6; }
    bool observes_forces() const {
      return is_v4() ? config.use_contact_forces : config.include_cfrc_ext_in_observation;
    }
    Range z, force;
  };
  using MujocoEnv::MujocoEnv;

  static fastvec::Spec spec(const Shared& shared) {
    const Simulator& simulator = shared.simulator;
    require_size(simulator, 3, 0);
    const std::size_t forces = shared.observes_forces() ? simulator.size(kCfrcExt) - shared.first_force() : 0;
    return make_spec(shared, simulator.nq() + simulator.nv() - skipped(shared) + forces,
                     {number_field("x_position"), number_field("y_position"), number_field("distance_from_origin"),
                      number_field("x_velocity"), number_field("y_velocity"), number_field("reward_forward"),
                      fastvec::info_field<float>("reward_ctrl"), fastvec::info_field<double>("reward_ctrl"),
                      number_field(shared.is_v4() ? "forward_reward" : "reward_contact"),
                      bonus_field("reward_survive", shared.config)});
  }

  void reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options&, fastvec::Info& info) {
    const Config& config = shared.config;
    data_->reset([&](std::span<double> qpos, std::span<double> qvel) {
      add_uniform(qpos, config.init_qpos, config.reset_noise_scale, rng);
      add_normal(qvel, config.init_qvel, config.reset_noise_scale, rng);
    });
    if (!shared.is_v4()) tell_position(shared, data_->qpos().first(2), info);
  }

  template <class T>
  fastvec::StepResult step(const Shared& shared, std::span<const T> action, fastvec::Rng&, fastvec::Info& info) {
    const Config& config = shared.config;
    const std::span<const double> torso = data_->body_position(static_cast<std::size_t>(config.main_body)).first(2);
    const double x = torso[0], y = torso[1];
    data_->step(action);
    const double x_velocity = (torso[0] - x) / config.dt;
    const double y_velocity = (torso[1] - y) / config.dt;
    const double forward = x_velocity * config.forward_reward_weight;
    const bool healthy = is_healthy(shared);
    const double survive = bonus(config, healthy);
    const Cost cost = control_cost(action, config.ctrl_cost_weight, config.float64_ctrl_weight);
    double costs = cost.value;
    info.set(kXVelocity, x_velocity);
    info.set(kYVelocity, y_velocity);
    info.set(kRewardForward, forward);
    set_bonus(info, kRewardSurvive, survive, config);
    if (!shared.is_v4()) {
      const double contact_cost = config.contact_cost_weight * clipped_squares(shared);
      costs += contact_cost;
      tell_position(shared, data_->qpos().first(2), info);
      set_cost(info, kRewardCtrl, cost);
      info.set(kRewardContact, -contact_cost);
    } else {
      tell_position(shared, torso, info);
      info.set(kRewardContact, forward);  // under the name "forward_reward"
      if (config.use_contact_forces) {
        const double contact_cost = config.contact_cost_weight * clipped_squares(shared);
        costs += contact_cost;
        set_cost(info, kRewardCtrl, {contact_cost, false});  // in place of the control cost, as in Gymnasium
      } else {
        set_cost(info, kRewardCtrl, cost);
      }
    }
    return {.reward = (forward + survive) - costs, .terminated = !healthy && config.terminate_when_unhealthy};
  }

  void observe(const Shared& shared, Observation observation) const {
    Writer writer(observation);
    writer.add(data_->qpos().subspan(skipped(shared)));
    writer.add(data_->qvel());
    if (shared.observes_forces()) {
      writer.add_clipped((*data_)[kCfrcExt].subspan(shared.first_force()), shared.force.low, shared.force.high);
    }
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
    kRewardContact = 8,
    kRewardSurvive
  };

  static std::size_t skipped(const Shared& shared) {
    return shared.config.exclude_current_positions_from_observation ? 2 : 0;
  }

  bool is_healthy(const Shared& shared) const {
    const auto finite = [](double value) { return std::isfinite(value); };
    const std::span<const double> qpos = data_->qpos(), qvel = data_->qvel();
    const double z = qpos[2];
    return std::all_of(qpos.begin(), qpos.end(), finite) && std::all_of(qvel.begin(), qvel.end(), finite) &&
           shared.z.low <= z && z <= shared.z.high;
  }

  // np.sum(np.square(np.clip(cfrc_ext, *contact_force_range)))
  double clipped_squares(const Shared& shared) const {
    const std::span<const double> forces = (*data_)[kCfrcExt];
    const auto square = [&](std::size_t i) {
      const double force = clip(forces[i], shared.force.low, shared.force.high);
      return force * force;
    };
    return pairwise_sum<double>(square, 0, forces.size());
  }

  static void tell_position(const Shared& shared, std::span<const double> position, fastvec::Info& info) {
    info.set(kXPosition, position[0]);
    info.set(kYPosition, position[1]);
    info.set(kDistance, norm(position, shared.simulator.rounding()));
  }
};

}  // namespace mujoco_envs
