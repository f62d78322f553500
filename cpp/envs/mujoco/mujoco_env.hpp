// What the envs of this family have in common.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "fastvec/env.hpp"
#include "simulator.hpp"

namespace mujoco_envs {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Keyword arguments that every env has. Those with a leading underscore are not the user's: Python derives them from
// Gymnasium's own env of the same id, made with the user's arguments.
struct BaseConfig {
  std::int64_t version = 5;           // 4 or 5: the env's version in Gymnasium
  std::vector<std::int64_t> handles;  // see handles.hpp
  std::vector<double> init_qpos, init_qvel;
  std::vector<double> action_low, action_high;
  double timestep = 0.0;                  // of the model, in seconds
  double dt = 0.0;                        // of a step of the env
  bool float64_ctrl_weight = false;       // the weight of the control cost is a np.float64: then so is the cost
  std::int64_t bonus_dtype = FV_FLOAT64;  // of healthy_reward: info has it as it came
};

template <class Config, class T, class Base>
constexpr auto base_kwarg(const char* name, T Base::* member) {
  return fastvec::kwarg<Config, T>(name, static_cast<T Config::*>(member));
}

template <class Config>
constexpr auto base_kwargs() {
  return std::tuple{base_kwarg<Config>("_version", &BaseConfig::version),
                    base_kwarg<Config>("_handles", &BaseConfig::handles),
                    base_kwarg<Config>("_init_qpos", &BaseConfig::init_qpos),
                    base_kwarg<Config>("_init_qvel", &BaseConfig::init_qvel),
                    base_kwarg<Config>("_action_low", &BaseConfig::action_low),
                    base_kwarg<Config>("_action_high", &BaseConfig::action_high),
                    base_kwarg<Config>("_timestep", &BaseConfig::timestep),
                    base_kwarg<Config>("_dt", &BaseConfig::dt),
                    base_kwarg<Config>("_float64_ctrl_weight", &BaseConfig::float64_ctrl_weight),
                    base_kwarg<Config>("_bonus_dtype", &BaseConfig::bonus_dtype)};
}

struct Range {
  double low, high;
};

inline bool within(double value, const Range& range) { return range.low < value && value < range.high; }

inline Range range_of(const char* name, const std::vector<double>& values) {
  if (values.size() != 2) {
    throw fastvec::InvalidArgument(std::string("expected ") + name + " to be 2 numbers, got " +
                                   std::to_string(values.size()));
  }
  return {values[0], values[1]};
}

inline double noise_scale(double scale) {
  if (!(scale >= 0.0) || scale == kInfinity) {
    throw fastvec::InvalidArgument("expected a finite reset_noise_scale that is not negative, got " +
                                   std::to_string(scale));
  }
  return scale;
}

template <class ConfigType>
struct BaseShared {
  explicit BaseShared(const ConfigType& given) : config(given), simulator(given.handles) { config.handles.clear(); }

  ConfigType config;
  Simulator simulator;
};

// A cost of the action: of float32 numbers, and weighted by a Python number, it is a float32.
struct Cost {
  double value;
  bool single;
};

template <class T>
Cost control_cost(std::span<const T> action, double weight, bool float64_weight) {
  const T squares = numpy::sum_of_squares(action);
  if constexpr (sizeof(T) == sizeof(float)) {
    if (!float64_weight) return {static_cast<double>(static_cast<float>(weight) * squares), true};
  }
  return {weight * static_cast<double>(squares), false};
}

// A cost in info: two fields of one name that follow each other, float32 and float64.
inline void set_cost(fastvec::Info& info, std::size_t field, Cost cost, double sign = -1.0) {
  if (cost.single) info.set(field, static_cast<float>(sign * cost.value));
  else info.set(field + 1, sign * cost.value);
}

// What a healthy robot gets. v4 gives it to an unhealthy one too, if its episode ends for that.
template <class Config>
double bonus(const Config& config, bool healthy) {
  const bool given = healthy || (config.version == 4 && config.terminate_when_unhealthy);
  return given ? config.healthy_reward : 0.0 * config.healthy_reward;
}

// The bonus in info, with the dtype of the argument `healthy_reward`.
inline fastvec::InfoField bonus_field(const char* name, const BaseConfig& config) {
  return {name, static_cast<std::int32_t>(config.version == 4 ? std::int64_t{FV_FLOAT64} : config.bonus_dtype), {}};
}
inline void set_bonus(fastvec::Info& info, std::size_t field, double value, const BaseConfig& config) {
  if (config.version != 4 && config.bonus_dtype == FV_INT64) info.set(field, static_cast<std::int64_t>(value));
  else info.set(field, value);
}

inline fastvec::InfoField number_field(const char* name) { return fastvec::info_field<double>(name); }

// One env: a place in the vector and its mjData.
class MujocoEnv {
 public:
  using Action = std::span<const float>;
  using Observation = std::span<double>;

  template <class Config>
  MujocoEnv(const BaseShared<Config>& shared, std::int64_t index) : data_(&shared.simulator.data(index)) {}

  template <class Config>
  static std::int64_t bytes_elsewhere(const BaseShared<Config>& shared) {
    return shared.simulator.bytes_per_data() + static_cast<std::int64_t>(sizeof(Data));
  }

  void save(fastvec::StateWriter& writer) const { data_->save(writer); }
  void load(fastvec::StateReader& reader) { data_->load(reader); }

 protected:
  // Refuses a model that is too small for what the env reads.
  static void require_size(const Simulator& simulator, std::size_t nq, std::size_t nv) {
    if (simulator.nq() >= nq && simulator.nv() >= nv) return;
    throw fastvec::InvalidArgument("expected a model with at least " + std::to_string(nq) + " positions and " +
                                   std::to_string(nv) + " velocities, got " + std::to_string(simulator.nq()) + " and " +
                                   std::to_string(simulator.nv()));
  }

  template <class Config>
  static fastvec::Spec make_spec(const BaseShared<Config>& shared, std::size_t observation_size,
                                 std::vector<fastvec::InfoField> info) {
    const Config& config = shared.config;
    std::vector<float> low(config.action_low.begin(), config.action_low.end());
    std::vector<float> high(config.action_high.begin(), config.action_high.end());
    const auto actions = static_cast<std::int64_t>(low.size());
    return {.observation = fastvec::Box<double>(-kInfinity, kInfinity, {static_cast<std::int64_t>(observation_size)}),
            .action = fastvec::Box<float>(low, high, {actions}),
            .info = std::move(info)};
  }

  static void add_uniform(std::span<double> values, const std::vector<double>& start, double scale, fastvec::Rng& rng) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = start[i] + rng.uniform(-scale, scale);
  }
  static void add_normal(std::span<double> values, const std::vector<double>& start, double scale, fastvec::Rng& rng) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = start[i] + scale * rng.standard_normal();
  }

  Data* data_;
};

// Fills an observation from front to back.
class Writer {
 public:
  explicit Writer(std::span<double> target) : target_(target) {}

  void add(double value) {
    target_.front() = value;
    target_ = target_.subspan(1);
  }
  void add(std::span<const double> values) {
    std::copy(values.begin(), values.end(), target_.begin());
    target_ = target_.subspan(values.size());
  }
  void add_clipped(std::span<const double> values, double low, double high) {
    for (const double value : values) add(numpy::clip(value, low, high));
  }

 private:
  std::span<double> target_;
};

}  // namespace mujoco_envs
