// VectorCore as Python has it: fastvec._core.VectorCore, described in python/fastvec/_core.pyi.
#include <utility>

#include "call.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

void register_vector_core(py::module_& module) {
  using namespace py::literals;
  module.def(
      "never_free", [](py::object object) { object.release(); }, "object"_a,
      "Keeps an object for as long as the process lives.");
  py::class_<platform::Home, std::shared_ptr<platform::Home>>(module, "Home")
      .def(py::init<>())
      .def("require", require_home)
      .def("is_here", &platform::Home::is_here)
      .def("follow_forks", &platform::Home::follow_forks);
  py::class_<VectorCore>(module, "VectorCore")
      .def(py::init([](const EnvType& type, const py::list& kwargs, std::int64_t num_envs, int num_threads,
                       bool pin_threads, int autoreset_mode, std::int64_t max_episode_steps, bool copy,
                       std::int64_t batch_size, std::string action_kinds, std::shared_ptr<platform::Home> home,
                       const py::object&) {
             return std::make_unique<VectorCore>(
                 type, kwargs,
                 CoreOptions{num_envs, num_threads, pin_threads, autoreset_mode, max_episode_steps, copy, batch_size,
                             std::move(action_kinds)},
                 std::move(home));
           }),
           "type"_a, "kwargs"_a, py::kw_only(), "num_envs"_a, "num_threads"_a, "pin_threads"_a, "autoreset_mode"_a,
           "max_episode_steps"_a, "copy"_a, "batch_size"_a, "action_kinds"_a = "", "home"_a = nullptr,
           "keep_alive"_a = py::none(), py::keep_alive<1, 13>())  // until the engine is destroyed
      .def("seed", &VectorCore::seed, "seeds"_a, "seed_mask"_a)
      .def("reset", &VectorCore::reset, "seeds"_a, "seed_mask"_a, "mask"_a, "options"_a, "out"_a)
      .def("step", &VectorCore::step, "actions"_a, "out"_a)
      .def("start_reset", &VectorCore::start_reset, "seeds"_a, "seed_mask"_a, "mask"_a, "options"_a, "out"_a)
      .def("start_step", &VectorCore::start_step, "actions"_a, "out"_a)
      .def("finish", &VectorCore::finish, "timeout"_a)
      .def("xla_handle", &VectorCore::xla_handle)
      .def("hold", &VectorCore::hold, "name"_a)
      .def("async_reset", &VectorCore::async_reset, "seeds"_a, "seed_mask"_a, "mask"_a, "options"_a)
      .def("send", &VectorCore::send, "actions"_a, "envs"_a)
      .def("recv", &VectorCore::recv, "timeout"_a, "count"_a)
      .def_property_readonly("in_flight", &VectorCore::in_flight)
      .def("save_state", &VectorCore::save_state, "envs"_a)
      .def("load_state", &VectorCore::load_state, "envs"_a, "data"_a, "format"_a)
      .def("save_env", &VectorCore::save_env, "env"_a)
      .def("load_env", &VectorCore::load_env, "env"_a, "data"_a)
      .def("rng_state", &VectorCore::rng_state, "env"_a)
      .def("set_rng_state", &VectorCore::set_rng_state, "env"_a, "state_high"_a, "state_low"_a, "increment_high"_a,
           "increment_low"_a, "has_uint32"_a, "uint32"_a)
      .def("elapsed_steps", &VectorCore::elapsed_steps, "env"_a)
      .def("set_elapsed_steps", &VectorCore::set_elapsed_steps, "env"_a, "steps"_a)
      .def("time_limits", &VectorCore::time_limits)
      .def("set_time_limits", &VectorCore::set_time_limits, "steps"_a)
      .def_property_readonly("time_limits_were_set", &VectorCore::time_limits_were_set)
      .def("parameter", &VectorCore::parameter, "parameter"_a)
      .def("set_parameter", &VectorCore::set_parameter, "parameter"_a, "values"_a)
      .def_property_readonly("parameters_were_set", &VectorCore::parameters_were_set)
      .def("render", &VectorCore::render, "env"_a)
      .def("close", &VectorCore::close)
      .def_property_readonly("spec", &VectorCore::spec)
      .def_property_readonly("max_episode_steps", &VectorCore::max_episode_steps)
      .def_property_readonly("can_render", &VectorCore::can_render)
      .def_property_readonly("bytes_per_env", &VectorCore::bytes_per_env)
      .def_property_readonly("num_threads", &VectorCore::num_threads)
      .def_property_readonly("nanoseconds_per_env", &VectorCore::nanoseconds_per_env);
}

}  // namespace fastvec::bindings
