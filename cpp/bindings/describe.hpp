// Env types and spaces as plain Python objects, from which python/fastvec builds gymnasium's.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <deque>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "fastvec/abi.h"

namespace fastvec::bindings {

// An env type that Python holds; the table itself lives in its library, which is never unloaded.
struct EnvType {
  const fv_env_type* table = nullptr;
  std::string plugin_name;
  std::string plugin_path;
};

pybind11::dtype numpy_dtype(std::int32_t dtype);

// ("box", low, high), ("discrete", n, start), ("multi_discrete", nvec), ("multi_binary", n),
// ("tuple", [space...]) or ("dict", [(key, space)...]).
pybind11::object describe_space(const fv_space& space);

// [(name, type, default, doc)...], [(name, doc)...] and [(name, doc)...].
pybind11::list describe_kwargs(const fv_env_type& type);
pybind11::list describe_options(const fv_env_type& type);
pybind11::list describe_parameters(const fv_env_type& type);

// (max_episode_steps or None, reward_threshold or None), read from the table: runs none of the library's code. None for
// a library older than ABI minor 2.
pybind11::object describe_limits(const fv_env_type& type);

// What an env type declares with some kwargs. Python's own objects: they outlive the envs.
struct Spec {
  pybind11::object observation_space, action_space;  // as describe_space gives them
  pybind11::list info_fields;                        // [(name, dtype, shape of a row)...]
  bool accepts_float64_actions;
  double reward_threshold;  // NaN where there is none
  std::int32_t render_fps;
};

Spec describe_spec(const fv_spec& spec);

void register_spec(pybind11::module_& module);

// The C values of a list of Python values, one per declared kwarg and already of the right types.
class KwargValues {
 public:
  KwargValues(const fv_env_type& type, const pybind11::list& values);
  const engine::Kwargs& get() const { return kwargs_; }

 private:
  engine::Kwargs kwargs_;
  std::deque<std::string> strings_;
  std::deque<std::vector<std::int64_t>> ints_;
  std::deque<std::vector<double>> floats_;
  std::deque<std::vector<const char*>> string_lists_;
};

}  // namespace fastvec::bindings
