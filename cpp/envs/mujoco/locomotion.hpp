// What robots that are to move forward have in common: arguments, and what they report.
#pragma once

#include <cstddef>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "mujoco_env.hpp"

namespace mujoco_envs {

// Arguments that all of them but the humanoids take; HalfCheetah and Swimmer take no others. The defaults differ.
struct ForwardConfig : BaseConfig {
  double forward_reward_weight = 1.0;
  double ctrl_cost_weight = 0.0;
  double reset_noise_scale = 0.1;
  bool exclude_current_positions_from_observation = true;
};

template <class Config>
constexpr auto forward_kwargs() {
  return std::tuple_cat(base_kwargs<Config>(),
                        std::tuple{base_kwarg<Config>("forward_reward_weight", &ForwardConfig::forward_reward_weight),
                                   base_kwarg<Config>("ctrl_cost_weight", &ForwardConfig::ctrl_cost_weight),
                                   base_kwarg<Config>("reset_noise_scale", &ForwardConfig::reset_noise_scale),
                                   base_kwarg<Config>("exclude_current_positions_from_observation",
                                                      &ForwardConfig::exclude_current_positions_from_observation)});
}

// The info fields of an env, numbered as they are added. The order is that of the keys in Gymnasium's info, which
// differs between the versions of an env: v4 reports rewards first and positions after them.
class InfoFields {
 public:
  std::size_t add(fastvec::InfoField field) {
    fields_.push_back(std::move(field));
    return fields_.size() - 1;
  }
  std::size_t number(const char* name) { return add(number_field(name)); }
  // For set_cost.
  std::size_t cost(const char* name) {
    const std::size_t first = add(fastvec::info_field<float>(name));
    add(fastvec::info_field<double>(name));
    return first;
  }
  const std::vector<fastvec::InfoField>& all() const { return fields_; }

 private:
  std::vector<fastvec::InfoField> fields_;
};

// Numbers of the fields that say where an env on a plane is and how fast it moves.
struct PlaneFields {
  std::size_t x_position = 0, y_position = 0, distance = 0, x_velocity = 0, y_velocity = 0;

  // Adds them; `between` adds what the env reports between its position and its distance from the origin.
  template <class Between>
  static PlaneFields add_to(InfoFields& fields, const Between& between) {
    PlaneFields at;
    at.x_position = fields.number("x_position");
    at.y_position = fields.number("y_position");
    between();
    at.distance = fields.number("distance_from_origin");
    at.x_velocity = fields.number("x_velocity");
    at.y_velocity = fields.number("y_velocity");
    return at;
  }
  static PlaneFields add_to(InfoFields& fields) {
    return add_to(fields, [] {});
  }

  // `position`: x and y.
  void set_position(fastvec::Info& info, std::span<const double> position, const numpy::Rounding& rounding) const {
    info.set(x_position, position[0]);
    info.set(y_position, position[1]);
    info.set(distance, numpy::norm(position, rounding));
  }
  void set_velocity(fastvec::Info& info, double x, double y) const {
    info.set(x_velocity, x);
    info.set(y_velocity, y);
  }
};

}  // namespace mujoco_envs
