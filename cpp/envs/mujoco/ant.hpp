// Ant, the numbers of gymnasium.envs.mujoco.ant_v5 (and v4).
#pragma once

#include <cmath>
#include <vector>

#include "locomotion.hpp"

namespace mujoco_envs {

class Ant : public MujocoEnv {
 public:
  struct Config : ForwardConfig {
    double contact_cost_weight = 5e-4;
    double healthy_reward = 1.0;
    std::int64_t main_body = 1;  // the body whose velocity is rewarded
    bool terminate_when_unhealthy = true;
    std::vector<double> healthy_z_range = {0.2, 1.0};
    std::vector<double> contact_force_range = {-1.0, 1.0};
    bool include_cfrc_ext_in_observation = true;
    bool use_contact_forces = false;  // v4: whether contacts are observed, and cost something

    Config() { ctrl_cost_weight = 0.5; }
    static constexpr auto kwargs() {
      return std::tuple_cat(
          forward_kwargs<Config>(),
          std::tuple{fastvec::kwarg("_main_body", &Config::main_body),
                     fastvec::kwarg("contact_cost_weight", &Config::contact_cost_weight),
                     fastvec::kwarg("healthy_reward", &Config::healthy_reward),
                     fastvec::kwarg("terminate_when_unhealthy", &Config::terminate_when_unhealthy),
                     fastvec::kwarg("healthy_z_range", &Config::healthy_z_range),
                     fastvec::kwarg("contact_force_range", &Config::contact_force_range),
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
      if (is_v4()) {
        add_rewards();
        plane = PlaneFields::add_to(fields);
        forward_reward = fields.number("forward_reward");
      } else {
        plane = PlaneFields::add_to(fields);
        add_rewards();
      }
    }
    bool is_v4() const { return config.version == 4; }
    // The forces that are observed: v5 leaves out those on the world, body 0.
    std::size_t first_force() const { return is_v4() ? 0 : 6; }
    bool observes_forces() const {
      return is_v4() ? config.use_contact_forces : config.include_cfrc_ext_in_observation;
    }
    Range z, force;
    InfoFields fields;
    PlaneFields plane;
    std::size_t reward_forward = 0, reward_ctrl = 0, reward_contact = 0, reward_survive = 0, forward_reward = 0;

   private:
    void add_rewards() {
      reward_forward = fields.number("reward_forward");
      reward_ctrl = fields.cost("reward_ctrl");
      if (!is_v4()) reward_contact = fields.number("reward_contact");
      reward_survive = fields.add(bonus_field("reward_survive", config));
    }
  };
  using MujocoEnv::MujocoEnv;

  static fastvec::Spec spec(const Shared& shared) {
    const Simulator& simulator = shared.simulator;
    require_size(simulator, 3, 0);
    const std::size_t forces = shared.observes_forces() ? simulator.size(kCfrcExt) - shared.first_force() : 0;
    return make_spec(shared, simulator.nq() + simulator.nv() - skipped(shared) + forces, shared.fields.all());
  }

  void reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options&, fastvec::Info& info) {
    const Config& config = shared.config;
    data_->reset([&](std::span<double> qpos, std::span<double> qvel) {
      add_uniform(qpos, config.init_qpos, config.reset_noise_scale, rng);
      add_normal(qvel, config.init_qvel, config.reset_noise_scale, rng);
    });
    if (!shared.is_v4()) shared.plane.set_position(info, data_->qpos().first(2), shared.simulator.rounding());
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
    shared.plane.set_velocity(info, x_velocity, y_velocity);
    info.set(shared.reward_forward, forward);
    set_bonus(info, shared.reward_survive, survive, config);
    if (!shared.is_v4()) {
      const double contact_cost = config.contact_cost_weight * clipped_squares(shared);
      costs += contact_cost;
      shared.plane.set_position(info, data_->qpos().first(2), shared.simulator.rounding());
      set_cost(info, shared.reward_ctrl, cost);
      info.set(shared.reward_contact, -contact_cost);
    } else {
      shared.plane.set_position(info, torso, shared.simulator.rounding());
      info.set(shared.forward_reward, forward);
      if (config.use_contact_forces) {
        const double contact_cost = config.contact_cost_weight * clipped_squares(shared);
        costs += contact_cost;
        set_cost(info, shared.reward_ctrl, {contact_cost, false});  // in place of the control cost, as in Gymnasium
      } else {
        set_cost(info, shared.reward_ctrl, cost);
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
      const double force = numpy::clip(forces[i], shared.force.low, shared.force.high);
      return force * force;
    };
    return numpy::pairwise_sum<double>(square, 0, forces.size());
  }
};

}  // namespace mujoco_envs
