#include <doctest/doctest.h>

#include <cstddef>
#include <stdexcept>
#include <vector>

#include "engine/env_vector.hpp"
#include "fault_of.hpp"
#include "toy_env.hpp"

using namespace fastvec::engine;

namespace {

// The toy's table with something in it changed. (What makes toys finds them behind the toy's own table.)
template <class Change>
fv_env_type changed(const Change& change) {
  fv_env_type type = toy::type();
  type.create = [](const fv_env_type*, const fv_value* kwargs, std::int64_t num_envs, fv_error* error) {
    return toy::type().create(&toy::type(), kwargs, num_envs, error);
  };
  change(type);
  return type;
}

}  // namespace

TEST_CASE("a vector is destroyed once") {
  static int destroyed = 0;
  destroyed = 0;
  const fv_env_type type = changed([](fv_env_type& table) {
    table.destroy = [](void* vector) {
      ++destroyed;
      toy::type().destroy(vector);
    };
  });
  {
    const EnvVector envs(type, toy::kwargs(1), 2);
  }
  CHECK(destroyed == 1);
}

TEST_CASE("what cannot be made says why") {
  const auto failing = [](std::int32_t code) {
    static std::int32_t given;
    given = code;
    const fv_env_type type = changed([](fv_env_type& table) {
      table.create = [](const fv_env_type*, const fv_value*, std::int64_t, fv_error* error) -> void* {
        error->code = given;
        error->message[0] = '?';
        return nullptr;
      };
    });
    EnvVector(type, toy::kwargs(1), 1);
  };
  CHECK(fault_of([&] { failing(FV_INVALID_ARGUMENT); }) == Fault::kInvalidArgument);
  CHECK(fault_of([&] { failing(FV_OUT_OF_RANGE); }) == Fault::kOutOfRange);
  CHECK_THROWS_WITH_AS(failing(FV_ERROR), "Toy-v0 could not be made: ?", std::runtime_error);
}

TEST_CASE("a library that is older than parameters has none, whatever lies behind its table") {
  const fv_env_type type = changed([](fv_env_type& table) {
    table.struct_size = offsetof(fv_env_type, num_parameters);
    table.num_parameters = 3;
    table.get_parameter = nullptr;
  });
  const EnvVector envs(type, toy::kwargs(1), 1);
  CHECK(envs.num_parameters() == 0);
  CHECK(envs.parameter_defaults().empty());
}

TEST_CASE("a spec that is shorter than this header's is zero behind its end") {
  static fv_spec shorter;
  const fv_env_type type = changed([](fv_env_type& table) {
    table.spec = [](void* vector) -> const fv_spec* {
      shorter = *toy::type().spec(vector);
      shorter.struct_size = offsetof(fv_spec, render_fps);
      shorter.render_fps = 30;
      return &shorter;
    };
  });
  const EnvVector envs(type, toy::kwargs(1), 1);
  CHECK(envs.spec().render_fps == 0);
  CHECK(envs.spec().action_space->n == 10);
}

TEST_CASE("a state is saved behind what is there, and one that does not fit is refused") {
  EnvVector envs(toy::type(), toy::kwargs(1), 2);
  std::vector<std::byte> bytes(3);
  envs.save(0, bytes);
  CHECK(static_cast<std::int64_t>(bytes.size()) == 3 + envs.spec().state_size);
  const std::span state = std::span(bytes).subspan(3);
  envs.load(1, state);
  CHECK(fault_of([&] { envs.load(1, state.first(state.size() - 1)); }) == Fault::kInvalidArgument);
}

TEST_CASE("without check_options any options are taken") {
  const fv_env_type type = changed([](fv_env_type& table) { table.check_options = nullptr; });
  const ResetOptions bad{{-1.0}, {1, 0}};
  EnvVector(type, toy::kwargs(1), 1).check_options(bad);
  CHECK(fault_of([&] { EnvVector(toy::type(), toy::kwargs(1), 1).check_options(bad); }) == Fault::kInvalidArgument);
}
