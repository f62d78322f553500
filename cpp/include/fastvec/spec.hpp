// fastvec/spec.hpp: what an env says about itself: spaces, info fields, keyword arguments, options.
#pragma once

#include "fastvec/detail/require_cxx20.hpp"  // before all else

#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "fastvec/abi.h"
#include "fastvec/space.hpp"

namespace fastvec {

// Throw this for a bad keyword argument or reset option: it becomes a ValueError in Python.
// Anything else that an env throws becomes a fastvec.EnvError with the env's index.
class InvalidArgument : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// The same for a number that is too large, or not finite: it becomes an OverflowError.
class OutOfRange : public InvalidArgument {
 public:
  using InvalidArgument::InvalidArgument;
};

// A field of `info`: an array of shape (num_envs, *shape) with a mask under "_name".
struct InfoField {
  std::string name;
  std::int32_t dtype = FV_FLOAT64;
  std::vector<std::int64_t> shape;
};

template <class T>
InfoField info_field(std::string name, std::vector<std::int64_t> shape = {}) {
  return {std::move(name), dtype_of<T>(), std::move(shape)};
}

// What `Env::spec` returns: known once the keyword arguments are.
struct Spec {
  Space observation;
  Space action;
  std::vector<InfoField> info = {};  // numbered in this order
  std::int32_t render_height = 0;    // pixels; 0: the env does not draw
  std::int32_t render_width = 0;
  std::int32_t render_fps = 0;          // pictures per second at the env's own pace; 0: 30
  std::int64_t max_episode_steps = -1;  // -1: as registered
};

// What is registered with an id.
struct Limits {
  std::int64_t max_episode_steps = 0;                                  // truncates after this many steps; 0: never
  double reward_threshold = std::numeric_limits<double>::quiet_NaN();  // "solved"; NaN: not defined
};

// One member of a Config struct that is a keyword argument. The member's initialiser is the default.
template <class Config, class T>
struct Kwarg {
  const char* name;
  T Config::* member;
  const char* doc;
};

template <class Config, class T>
constexpr Kwarg<Config, T> kwarg(const char* name, T Config::* member, const char* doc = "") {
  return {name, member, doc};
}

// One member of a Config struct that `set_attr` may change for single envs once they are made: a number or bool.
template <class Config, class T>
struct Parameter {
  static_assert(std::is_arithmetic_v<T>, "a parameter is a bool, an integer or a floating-point number");
  const char* name;
  T Config::* member;
  const char* doc;
};

template <class Config, class T>
constexpr Parameter<Config, T> parameter(const char* name, T Config::* member, const char* doc = "") {
  return {name, member, doc};
}

// A number that `reset(options={...})` may carry.
struct Option {
  const char* name;
  const char* doc = "";
};

// The options of one reset, numbered as the env's `kOptions`.
class Options {
 public:
  Options(const double* values, const std::uint8_t* present) : values_(values), present_(present) {}

  bool given() const { return present_ != nullptr; }  // was there an options dict at all?
  double get(std::size_t index, double fallback) const {
    return present_ != nullptr && present_[index] != 0 ? values_[index] : fallback;
  }

 private:
  const double* values_;
  const std::uint8_t* present_;
};

// What one step of one env gives, besides its observation.
struct StepResult {
  double reward = 0.0;
  bool terminated = false;
  bool truncated = false;  // by the env itself; the time limit is the engine's
};

}  // namespace fastvec
