#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "engine/plugin.hpp"
#include "toy_env.hpp"

using namespace fastvec::engine;

namespace {

std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const PluginError& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a plugin's table is read") {
  const PluginInfo info = check_plugin(toy::plugin(), "toy.so");
  CHECK(info.name == "toy");
  CHECK(info.path == "toy.so");
  REQUIRE(info.envs.size() == 2);
  CHECK(std::string(info.envs[0]->id) == "Toy-v0");
}

TEST_CASE("a library is loaded and its envs step") {
  const PluginInfo info = load_plugin(FIXTURE_FAULTY);
  REQUIRE(info.envs.size() == 2);
  CHECK(std::string(info.envs[0]->id) == "Faulty-v0");
  CHECK(load_plugin(FIXTURE_RICH).envs.size() == 3);
}

TEST_CASE("tables that do not fit are refused by name") {
  CHECK(contains(refusal([] { check_plugin(nullptr, "x.so"); }), "'x.so' gave no table"));

  fv_plugin table = *toy::plugin();
  table.abi_major = FASTVEC_ABI_MAJOR + 1;
  CHECK(contains(refusal([&] { check_plugin(&table, "x.so"); }), "was built for fastvec ABI"));

  table = *toy::plugin();
  table.struct_size = 12;
  CHECK(contains(refusal([&] { check_plugin(&table, "x.so"); }), "got 12"));

  table = *toy::plugin();
  const fv_env_type* twice[] = {&toy::type(), &toy::type()};
  table.envs = twice;
  CHECK(contains(refusal([&] { check_plugin(&table, "x.so"); }), "'Toy-v0' twice"));

  table = *toy::plugin();
  table.name = nullptr;
  CHECK(check_plugin(&table, "x.so").name.empty());

  table = *toy::plugin();
  table.num_envs = 1;
  const auto broken = [&](auto change) {
    fv_env_type type = toy::type();
    change(type);
    const fv_env_type* types[] = {&type};
    table.envs = types;
    return contains(refusal([&] { check_plugin(&table, "x.so"); }), "its env number 0 lacks a required function");
  };
  CHECK(broken([](fv_env_type& type) { type.create = nullptr; }));
  CHECK(broken([](fv_env_type& type) { type.destroy = nullptr; }));
  CHECK(broken([](fv_env_type& type) { type.spec = nullptr; }));
  CHECK(broken([](fv_env_type& type) { type.reset = nullptr; }));
  CHECK(broken([](fv_env_type& type) { type.step = nullptr; }));
  CHECK(broken([](fv_env_type& type) { type.observe = nullptr; }));
  CHECK(broken([](fv_env_type& type) { type.save = nullptr; }));
  CHECK(broken([](fv_env_type& type) { type.load = nullptr; }));
  CHECK(broken([](fv_env_type& type) { type.id = nullptr; }));
  CHECK(broken([](fv_env_type& type) { type.struct_size = 16; }));
  CHECK_FALSE(broken([](fv_env_type& type) { type.render = nullptr; }));
}

TEST_CASE("a library of minor 0 loads, and what it does not have is not read") {
  fv_env_type type = toy::type();
  type.struct_size = offsetof(fv_env_type, num_parameters);
  type.num_parameters = 77;  // as if it were whatever lies behind a smaller struct
  const fv_env_type* types[] = {&type};
  fv_plugin table = *toy::plugin();
  table.envs = types;
  table.num_envs = 1;
  CHECK(check_plugin(&table, "old.so").envs.size() == 1);
  CHECK(num_parameters(type) == 0);
}

TEST_CASE("limits are read from the table, and not from one that is older than they are") {
  fv_env_type type = toy::type();
  const auto limits = registered_limits(type);
  REQUIRE(limits.has_value());
  CHECK(limits->max_episode_steps == 7);
  CHECK(std::isnan(limits->reward_threshold));
  for (const std::size_t minor_0_or_1 :
       {offsetof(fv_env_type, num_parameters), offsetof(fv_env_type, max_episode_steps)}) {
    type.struct_size = static_cast<std::uint32_t>(minor_0_or_1);
    CHECK_FALSE(registered_limits(type).has_value());
  }
}

TEST_CASE("files that are no libraries are refused by name") {
  CHECK(contains(refusal([] { load_plugin("/nowhere/at-all.so"); }), "/nowhere/at-all.so"));
  CHECK(contains(refusal([] { load_plugin(__FILE__); }), "cannot load env library"));
}
