// fastvec/spec.hpp: what an env says about itself: spaces, info fields, limits, keyword arguments, options, and what a
// step gives.
//
// When what is known:
//  - with the id, as soon as the library is loaded: Limits, and the names, types, defaults and docs of Kwarg, Parameter
//    and Option. fastvec lists them and registers them with Gymnasium without running any code of the env;
//  - with a vector, once its keyword arguments are known: Spec, which the env's `spec` returns.
//
// Lifetimes: `name` and `doc` of Kwarg, Parameter and Option are pointers that are kept: pass string literals. A Spec
// and what is in it are copied. Threads: `spec` is called by one thread for each vector; vectors may be made by several
// threads at once. Errors: throw InvalidArgument or OutOfRange from `spec`, from a Shared's constructor and from
// `check_options`.
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

// Throw this for a bad keyword argument, parameter or reset option: it becomes a ValueError in Python, and nothing has
// changed. Say what was expected and what came. What an env throws while it resets, steps or draws becomes a
// fastvec.EnvError with the env's index, whatever its type.
class InvalidArgument : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// The same for a number that is too large, or not finite: it becomes an OverflowError in Python.
class OutOfRange : public InvalidArgument {
 public:
  using InvalidArgument::InvalidArgument;
};

// A field of `info`: in Python an array of shape (num_envs, *shape) under `name`, and under "_name" a mask of bools,
// true where the env set the field in this call (rows.hpp: Info). Zero elsewhere.
struct InfoField {
  std::string name;                 // not empty
  std::int32_t dtype = FV_FLOAT64;  // FV_*, as dtype_of gives it
  std::vector<std::int64_t> shape;  // of one env's value; empty: a number
};

// The field of this name whose elements are of type `T`.
template <class T>
InfoField info_field(std::string name, std::vector<std::int64_t> shape = {}) {
  return {std::move(name), dtype_of<T>(), std::move(shape)};
}

// What `Env::spec` returns, from the keyword arguments alone: equal arguments give equal Specs. A vector that is made
// checks it (that spaces are not empty, that they fit the env's Action and Observation, that pictures have a size and a
// `render`), and refuses it with a ValueError that says what does not fit.
struct Spec {
  Space observation;
  Space action;
  std::vector<InfoField> info = {};  // numbered in this order, from 0
  std::int32_t render_height = 0;    // pixels; 0: the env does not draw
  std::int32_t render_width = 0;     // pixels
  std::int32_t render_fps = 0;       // pictures per second at the env's own pace; 0: 30

  // The time limit in steps where it depends on the keyword arguments; 0: none; -1: as registered (Limits). An env that
  // sets it leaves it out of its Limits: Gymnasium then registers no limit, and the env that gymnasium.make gives keeps
  // this one itself.
  std::int64_t max_episode_steps = -1;
};

// What is registered with an id, in fastvec and in Gymnasium, before any env of it is made. `make_vec` and
// `gymnasium.make` may be asked for another time limit.
struct Limits {
  std::int64_t max_episode_steps = 0;                                  // truncates after this many steps; 0: never
  double reward_threshold = std::numeric_limits<double>::quiet_NaN();  // "solved"; NaN: not defined
};

// One member of a Config struct that is a keyword argument. The member's initialiser is the default, or what `env` is
// given for this id. `T`: bool, an integer, float, double, std::string, or a std::vector of std::int64_t, double or
// std::string. Python checks the type, and that an integer fits; values are the env's to check.
template <class Config, class T>
struct Kwarg {
  const char* name;
  T Config::* member;
  const char* doc;
};

// For `Config::kwargs()`, which returns a std::tuple of them, in the order in which Python lists them.
template <class Config, class T>
constexpr Kwarg<Config, T> kwarg(const char* name, T Config::* member, const char* doc = "") {
  return {name, member, doc};
}

// One member of a Config struct that `set_attr` may change for single envs once they are made: a number or bool. It is
// named in `Config::parameters()`, a std::tuple too, and may be a keyword argument as well. A number that the member's
// type cannot hold is a ValueError.
template <class Config, class T>
struct Parameter {
  static_assert(std::is_arithmetic_v<T>, "a parameter is a bool, an integer or a floating-point number");
  const char* name;
  T Config::* member;
  const char* doc;
};

// For `Config::parameters()`.
template <class Config, class T>
constexpr Parameter<Config, T> parameter(const char* name, T Config::* member, const char* doc = "") {
  return {name, member, doc};
}

// A number that `reset(options={name: number})` may carry, one for all envs that the call resets.
struct Option {
  const char* name;
  const char* doc = "";
};

// The options of one reset, numbered as the env's `kOptions`. A view, valid during the call only. An automatic reset
// has none.
class Options {
 public:
  Options(const double* values, const std::uint8_t* present) : values_(values), present_(present) {}

  // Was there an options dict at all? An empty one counts.
  bool given() const { return present_ != nullptr; }

  // The number under the name of kOptions[index], or `fallback` where there is none. Needs index < kOptions.size().
  double get(std::size_t index, double fallback) const {
    return present_ != nullptr && present_[index] != 0 ? values_[index] : fallback;
  }

 private:
  const double* values_;
  const std::uint8_t* present_;
};

// What one step of one env gives, besides its observation.
struct StepResult {
  double reward = 0.0;      // any number; `fastvec check` refuses those that are not finite
  bool terminated = false;  // the episode has come to its end: nothing follows whose value counts
  bool truncated = false;   // it is cut off by the env itself, not at its end; the time limit is the engine's
};

}  // namespace fastvec
