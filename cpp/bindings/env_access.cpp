// What VectorCore's calls read and change of single envs: states, generators, time limits, parameters, pictures.
#include <algorithm>

#include "call.hpp"
#include "engine/snapshot.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

std::int64_t VectorCore::checked_env(std::int64_t env) const {
  if (env < 0 || env >= options_.num_envs) {
    throw py::index_error("expected an env from 0 to " + std::to_string(options_.num_envs - 1) + ", got " +
                          std::to_string(env));
  }
  return env;
}

std::vector<std::int64_t> VectorCore::checked_envs(const py::array_t<std::int64_t>& envs) const {
  std::vector<std::int64_t> result(envs.data(), envs.data() + envs.size());
  for (const std::int64_t env : result) checked_env(env);
  return result;
}

py::bytes VectorCore::save_state(const py::array_t<std::int64_t>& envs) {
  const Call call(*this, "get_state");
  engine::Engine& engine = call.engine();
  try {
    const std::vector<std::byte> data = engine::save_state(engine, checked_envs(envs));
    return py::bytes(reinterpret_cast<const char*>(data.data()), data.size());
  } catch (const engine::EnvFailures& failures) {
    raise(failures, py::none());
  }
}

void VectorCore::load_state(const py::array_t<std::int64_t>& envs, const py::bytes& data, int format) {
  const Call call(*this, "set_state");
  engine::Engine& engine = call.engine();
  const std::string_view view = data;
  try {
    const std::vector<std::int64_t> ids = checked_envs(envs);
    std::vector<std::int64_t> once = ids;
    std::sort(once.begin(), once.end());
    if (const auto twice = std::adjacent_find(once.begin(), once.end()); twice != once.end()) {
      throw py::value_error("set_state: expected each env id once, got " + std::to_string(*twice) + " twice");
    }
    engine::load_state(engine, ids, {reinterpret_cast<const std::byte*>(view.data()), view.size()}, format);
  } catch (const engine::EngineError& error) {
    raise(error);
  } catch (const engine::EnvFailures& failures) {
    raise(failures, py::none());
  }
}

py::bytes VectorCore::save_env(std::int64_t env) {
  const Call call(*this, "reading an env");
  engine::Engine& engine = call.engine();
  std::vector<std::byte> bytes;
  try {
    engine.envs().save(checked_env(env), bytes);
  } catch (const engine::EnvFailures& failures) {
    raise(failures, py::none());
  }
  return py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void VectorCore::load_env(std::int64_t env, const py::bytes& data) {
  const Call call(*this, "changing an env");
  engine::Engine& engine = call.engine();
  const std::string_view view = data;
  try {
    engine.envs().load(checked_env(env), {reinterpret_cast<const std::byte*>(view.data()), view.size()});
  } catch (const engine::EngineError& error) {
    raise(error);
  }
}

py::tuple VectorCore::rng_state(std::int64_t env) {
  const Call call(*this, "reading an env");
  engine::Engine& engine = call.engine();
  const fv_rng& rng = engine.episodes().rng(checked_env(env));
  return py::make_tuple(rng.state_high, rng.state_low, rng.increment_high, rng.increment_low, rng.has_uint32,
                        rng.uint32);
}

void VectorCore::set_rng_state(std::int64_t env, std::uint64_t state_high, std::uint64_t state_low,
                               std::uint64_t increment_high, std::uint64_t increment_low, std::uint32_t has_uint32,
                               std::uint32_t uint32) {
  const Call call(*this, "changing an env");
  engine::Engine& engine = call.engine();
  engine.set_rng(checked_env(env), {state_high, state_low, increment_high, increment_low, has_uint32, uint32});
}

std::int64_t VectorCore::elapsed_steps(std::int64_t env) {
  const Call call(*this, "reading an env");
  engine::Engine& engine = call.engine();
  return engine.episodes().elapsed(checked_env(env));
}

void VectorCore::set_elapsed_steps(std::int64_t env, std::int64_t steps) {
  const Call call(*this, "changing an env");
  engine::Engine& engine = call.engine();
  engine.set_elapsed(checked_env(env), static_cast<std::int32_t>(steps));
}

py::array_t<std::int32_t> VectorCore::time_limits() {
  const Call call(*this, "reading an env");
  engine::Engine& engine = call.engine();
  py::array_t<std::int32_t> steps(engine.num_envs());
  for (std::int64_t env = 0; env < engine.num_envs(); ++env) steps.mutable_at(env) = engine.episodes().time_limit(env);
  return steps;
}

void VectorCore::set_time_limits(const py::array_t<std::int32_t>& steps) {
  const Call call(*this, "changing an env");
  engine::Engine& engine = call.engine();
  if (steps.ndim() != 1 || steps.size() != engine.num_envs()) {
    throw py::value_error("expected one time limit per env, got " + std::to_string(steps.size()));
  }
  for (std::int64_t env = 0; env < engine.num_envs(); ++env) engine.set_time_limit(env, steps.at(env));
}

std::int64_t VectorCore::checked_parameter(std::int64_t parameter) const {
  if (parameter < 0 || parameter >= engine().envs().num_parameters()) {
    throw py::index_error("expected a parameter below " + std::to_string(engine().envs().num_parameters()) + ", got " +
                          std::to_string(parameter));
  }
  return parameter;
}

py::array_t<double> VectorCore::parameter(std::int64_t parameter) {
  const Call call(*this, "reading an env");
  engine::Engine& engine = call.engine();
  checked_parameter(parameter);
  py::array_t<double> values(engine.num_envs());
  for (std::int64_t env = 0; env < engine.num_envs(); ++env) {
    values.mutable_at(env) = engine.envs().parameter(env, parameter);
  }
  return values;
}

void VectorCore::set_parameter(std::int64_t parameter, const py::array_t<double>& values) {
  const Call call(*this, "changing an env");
  engine::Engine& engine = call.engine();
  checked_parameter(parameter);
  if (values.ndim() != 1 || values.size() != engine.num_envs()) {
    throw py::value_error("expected one value per env, got " + std::to_string(values.size()));
  }
  std::vector<double> before;
  try {
    for (std::int64_t env = 0; env < engine.num_envs(); ++env) {
      before.push_back(engine.envs().parameter(env, parameter));
      engine.envs().set_parameter(env, parameter, values.at(env));
    }
  } catch (const engine::EngineError& error) {
    before.pop_back();  // the one that was refused is as it was
    for (std::size_t env = 0; env < before.size(); ++env) {
      engine.envs().set_parameter(static_cast<std::int64_t>(env), parameter, before[env]);
    }
    raise(error);
  }
}

py::array VectorCore::render(std::int64_t env) {
  const Call call(*this, "render");
  engine::Engine& engine = call.engine();
  const fv_spec& spec = engine.spec();
  py::array_t<std::uint8_t> pixels({static_cast<py::ssize_t>(spec.render_height),
                                    static_cast<py::ssize_t>(spec.render_width), static_cast<py::ssize_t>(3)});
  try {
    engine.envs().render(checked_env(env), pixels.mutable_data());
  } catch (const engine::EnvFailures& failures) {
    raise(failures, py::none());
  }
  return pixels;
}

}  // namespace fastvec::bindings
