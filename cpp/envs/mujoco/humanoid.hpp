// Humanoid and HumanoidStandup, the numbers of gymnasium.envs.mujoco.humanoid_v5 and humanoidstandup_v5 (and v4).
#pragma once

#include <array>
#include <vector>

#include "locomotion.hpp"

namespace mujoco_envs {

// What both observe, and the arguments that say which parts of it.
struct HumanoidConfig : BaseConfig {
  double ctrl_cost_weight = 0.1;
  double reset_noise_scale = 1e-2;
  bool exclude_current_positions_from_observation = true;
  bool include_cinert_in_observation = true;
  bool include_cvel_in_observation = true;
  bool include_qfrc_actuator_in_observation = true;
  bool include_cfrc_ext_in_observation = true;
};

template <class Config>
constexpr auto humanoid_kwargs() {
  return std::tuple_cat(
      base_kwargs<Config>(),
      std::tuple{
          base_kwarg<Config>("ctrl_cost_weight", &HumanoidConfig::ctrl_cost_weight),
          base_kwarg<Config>("reset_noise_scale", &HumanoidConfig::reset_noise_scale),
          base_kwarg<Config>("exclude_current_positions_from_observation",
                             &HumanoidConfig::exclude_current_positions_from_observation),
          base_kwarg<Config>("include_cinert_in_observation", &HumanoidConfig::include_cinert_in_observation),
          base_kwarg<Config>("include_cvel_in_observation", &HumanoidConfig::include_cvel_in_observation),
          base_kwarg<Config>("include_qfrc_actuator_in_observation",
                             &HumanoidConfig::include_qfrc_actuator_in_observation),
          base_kwarg<Config>("include_cfrc_ext_in_observation", &HumanoidConfig::include_cfrc_ext_in_observation)});
}

template <class Config>
struct HumanoidShared : BaseShared<Config> {
  explicit HumanoidShared(const Config& given) : BaseShared<Config>(given) {
    noise_scale(given.reset_noise_scale);
    // v5 leaves out the world (body 0) and the degrees of freedom of the root, which are zero or constant.
    const bool all = given.version == 4;
    const auto part = [&](bool included, Field field, std::size_t skipped) {
      const std::size_t first = all ? 0 : skipped;
      if (included) parts.push_back({field, first});
      if (included) observation_size += this->simulator.size(field) - std::min(first, this->simulator.size(field));
    };
    part(true, kQpos, 0);
    parts.back().first = given.exclude_current_positions_from_observation ? 2 : 0;
    observation_size -= parts.back().first;
    part(true, kQvel, 0);
    part(given.include_cinert_in_observation, kCinert, 10);
    part(given.include_cvel_in_observation, kCvel, 6);
    part(given.include_qfrc_actuator_in_observation, kQfrcActuator, 6);
    part(given.include_cfrc_ext_in_observation, kCfrcExt, 6);
  }

  struct Part {
    Field field;
    std::size_t first;  // element
  };
  std::vector<Part> parts;  // of the observation
  std::size_t observation_size = 0;
};

class HumanoidBase : public MujocoEnv {
 public:
  using MujocoEnv::MujocoEnv;

  template <class Config>
  void observe(const HumanoidShared<Config>& shared, Observation observation) const {
    Writer writer(observation);
    for (const auto& part : shared.parts) writer.add((*data_)[part.field].subspan(part.first));
  }

 protected:
  template <class Config>
  void start(const HumanoidShared<Config>& shared, fastvec::Rng& rng) {
    const Config& config = shared.config;
    data_->reset([&](std::span<double> qpos, std::span<double> qvel) {
      add_uniform(qpos, config.init_qpos, config.reset_noise_scale, rng);
      add_uniform(qvel, config.init_qvel, config.reset_noise_scale, rng);
    });
  }

  // The cost of the controls that the simulation has, which are float64.
  double squared_controls() const { return numpy::sum_of_squares((*data_)[kCtrl]); }
  double squared_contact_forces() const { return numpy::sum_of_squares((*data_)[kCfrcExt]); }

  static fastvec::InfoField array_field(const char* name, std::size_t size) {
    return fastvec::info_field<double>(name, {static_cast<std::int64_t>(size)});
  }
  void tell_tendons(fastvec::Info& info, std::size_t length, std::size_t velocity) const {
    const auto copy = [&](std::size_t field, Field source) {
      const std::span<const double> values = (*data_)[source];
      std::copy(values.begin(), values.end(), info.array<double>(field).begin());
    };
    copy(length, kTenLength);
    copy(velocity, kTenVelocity);
  }
};

class Humanoid : public HumanoidBase {
 public:
  struct Config : HumanoidConfig {
    double forward_reward_weight = 1.25;
    double contact_cost_weight = 5e-7;
    std::vector<double> contact_cost_range = {-kInfinity, 10.0};
    double healthy_reward = 5.0;
    bool terminate_when_unhealthy = true;
    std::vector<double> healthy_z_range = {1.0, 2.0};

    static constexpr auto kwargs() {
      return std::tuple_cat(humanoid_kwargs<Config>(),
                            std::tuple{fastvec::kwarg("forward_reward_weight", &Config::forward_reward_weight),
                                       fastvec::kwarg("contact_cost_weight", &Config::contact_cost_weight),
                                       fastvec::kwarg("contact_cost_range", &Config::contact_cost_range),
                                       fastvec::kwarg("healthy_reward", &Config::healthy_reward),
                                       fastvec::kwarg("terminate_when_unhealthy", &Config::terminate_when_unhealthy),
                                       fastvec::kwarg("healthy_z_range", &Config::healthy_z_range)});
    }
  };
  struct Shared : HumanoidShared<Config> {
    explicit Shared(const Config& given)
        : HumanoidShared<Config>(given),
          z(range_of("healthy_z_range", given.healthy_z_range)),
          contact_cost(range_of("contact_cost_range", given.contact_cost_range)) {
      if (is_v4()) {
        reward_forward = fields.number("reward_linvel");
        reward_ctrl = fields.number("reward_quadctrl");
        reward_survive = fields.add(bonus_field("reward_alive", config));
        plane = PlaneFields::add_to(fields);
        forward_reward = fields.number("forward_reward");
      } else {
        plane = PlaneFields::add_to(fields, [this] {
          tendon_length = fields.add(array_field("tendon_length", simulator.size(kTenLength)));
          tendon_velocity = fields.add(array_field("tendon_velocity", simulator.size(kTenVelocity)));
        });
        reward_survive = fields.add(bonus_field("reward_survive", config));
        reward_forward = fields.number("reward_forward");
        reward_ctrl = fields.number("reward_ctrl");
        reward_contact = fields.number("reward_contact");
      }
    }
    bool is_v4() const { return config.version == 4; }
    Range z, contact_cost;
    InfoFields fields;
    PlaneFields plane;
    std::size_t tendon_length = 0, tendon_velocity = 0;
    std::size_t reward_survive = 0, reward_forward = 0, reward_ctrl = 0, reward_contact = 0, forward_reward = 0;
  };
  using HumanoidBase::HumanoidBase;

  static fastvec::Spec spec(const Shared& shared) {
    require_size(shared.simulator, 3, 6);
    return make_spec(shared, shared.observation_size, shared.fields.all());
  }

  void reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options&, fastvec::Info& info) {
    start(shared, rng);
    if (shared.is_v4()) return;
    tell_pose(shared, info);
  }

  template <class T>
  fastvec::StepResult step(const Shared& shared, std::span<const T> action, fastvec::Rng&, fastvec::Info& info) {
    const Config& config = shared.config;
    const std::array<double, 2> before = mass_center(shared);
    data_->step(action);
    const std::array<double, 2> after = mass_center(shared);
    const double x_velocity = (after[0] - before[0]) / config.dt;
    const double y_velocity = (after[1] - before[1]) / config.dt;
    const double forward = config.forward_reward_weight * x_velocity;
    const bool healthy = within(data_->qpos()[2], shared.z);
    const double survive = bonus(config, healthy);
    const double ctrl_cost = config.ctrl_cost_weight * squared_controls();
    double costs = ctrl_cost;
    shared.plane.set_velocity(info, x_velocity, y_velocity);
    set_bonus(info, shared.reward_survive, survive, config);
    info.set(shared.reward_forward, forward);
    info.set(shared.reward_ctrl, -ctrl_cost);
    if (shared.is_v4()) {
      shared.plane.set_position(info, after, shared.simulator.rounding());
      info.set(shared.forward_reward, forward);
    } else {
      const double contact_cost = numpy::clip(config.contact_cost_weight * squared_contact_forces(),
                                              shared.contact_cost.low, shared.contact_cost.high);
      costs = ctrl_cost + contact_cost;
      tell_pose(shared, info);
      info.set(shared.reward_contact, -contact_cost);
    }
    return {.reward = (forward + survive) - costs, .terminated = !healthy && config.terminate_when_unhealthy};
  }

 private:
  // Of all bodies: np.einsum("b,bj->j", body_mass, xipos) / body_mass.sum(), x and y.
  std::array<double, 2> mass_center(const Shared& shared) const {
    const std::span<const double> masses = shared.simulator.body_mass();
    const std::span<const double> positions = (*data_)[kXipos];
    const bool fused = shared.simulator.rounding().fused_einsum;
    double x = 0.0, y = 0.0;
    for (std::size_t body = 0; body < masses.size(); ++body) {
      x = numpy::add_product(x, masses[body], positions[3 * body], fused);
      y = numpy::add_product(y, masses[body], positions[3 * body + 1], fused);
    }
    const double mass = numpy::sum(masses);
    return {x / mass, y / mass};
  }

  void tell_pose(const Shared& shared, fastvec::Info& info) const {
    shared.plane.set_position(info, data_->qpos().first(2), shared.simulator.rounding());
    tell_tendons(info, shared.tendon_length, shared.tendon_velocity);
  }
};

class HumanoidStandup : public HumanoidBase {
 public:
  struct Config : HumanoidConfig {
    double uph_cost_weight = 1.0;  // taken and, as in Gymnasium, not used
    double impact_cost_weight = 5e-7;
    std::vector<double> impact_cost_range = {-kInfinity, 10.0};

    static constexpr auto kwargs() {
      return std::tuple_cat(humanoid_kwargs<Config>(),
                            std::tuple{fastvec::kwarg("uph_cost_weight", &Config::uph_cost_weight),
                                       fastvec::kwarg("impact_cost_weight", &Config::impact_cost_weight),
                                       fastvec::kwarg("impact_cost_range", &Config::impact_cost_range)});
    }
  };
  struct Shared : HumanoidShared<Config> {
    explicit Shared(const Config& given)
        : HumanoidShared<Config>(given), impact_cost(range_of("impact_cost_range", given.impact_cost_range)) {}
    Range impact_cost;
  };
  using HumanoidBase::HumanoidBase;

  static fastvec::Spec spec(const Shared& shared) {
    require_size(shared.simulator, 3, 6);
    return make_spec(shared, shared.observation_size,
                     {number_field("x_position"), number_field("y_position"), number_field("z_distance_from_origin"),
                      array_field("tendon_length", shared.simulator.size(kTenLength)),
                      array_field("tendon_velocity", shared.simulator.size(kTenVelocity)), number_field("reward_linup"),
                      number_field("reward_quadctrl"), number_field("reward_impact")});
  }

  void reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options&, fastvec::Info& info) {
    start(shared, rng);
    tell_state(shared, info);
  }

  template <class T>
  fastvec::StepResult step(const Shared& shared, std::span<const T> action, fastvec::Rng&, fastvec::Info& info) {
    const Config& config = shared.config;
    data_->step(action);
    const double rise = (data_->qpos()[2] - 0.0) / config.timestep;
    const double ctrl_cost = config.ctrl_cost_weight * squared_controls();
    const double impact_cost = numpy::clip(config.impact_cost_weight * squared_contact_forces(), shared.impact_cost.low,
                                           shared.impact_cost.high);
    tell_state(shared, info);
    info.set(kRewardLinup, rise);
    info.set(kRewardCtrl, -ctrl_cost);
    info.set(kRewardImpact, -impact_cost);
    return {.reward = ((rise - ctrl_cost) - impact_cost) + 1.0};
  }

 private:
  enum : std::size_t {
    kXPosition,
    kYPosition,
    kZDistance,
    kTendonLength,
    kTendonVelocity,
    kRewardLinup,
    kRewardCtrl,
    kRewardImpact
  };

  void tell_state(const Shared& shared, fastvec::Info& info) const {
    if (shared.config.version == 4) return;
    const std::span<const double> qpos = data_->qpos();
    info.set(kXPosition, qpos[0]);
    info.set(kYPosition, qpos[1]);
    info.set(kZDistance, qpos[2] - shared.config.init_qpos[2]);
    tell_tendons(info, kTendonLength, kTendonVelocity);
  }
};

}  // namespace mujoco_envs
