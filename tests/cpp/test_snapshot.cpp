#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <numeric>

#include "engine/snapshot.hpp"
#include "toy_env.hpp"

using namespace fastvec::engine;
using toy::Setup;

namespace {

std::vector<std::int64_t> range(std::int64_t count) {
  std::vector<std::int64_t> envs(static_cast<std::size_t>(count));
  std::iota(envs.begin(), envs.end(), 0);
  return envs;
}

std::vector<std::byte> results(const Setup& setup) {
  const auto rows = static_cast<std::size_t>(setup.engine.num_envs());
  std::vector<std::byte> bytes(rows * 26);
  std::memcpy(bytes.data(), setup.view().observations[0], rows * 16);
  std::memcpy(bytes.data() + rows * 16, setup.view().rewards, rows * 8);
  std::memcpy(bytes.data() + rows * 24, setup.view().terminated, rows);
  std::memcpy(bytes.data() + rows * 25, setup.view().truncated, rows);
  return bytes;
}

std::vector<std::int64_t> actions_at(std::int64_t num_envs, int step) {
  std::vector<std::int64_t> actions;
  for (std::int64_t env = 0; env < num_envs; ++env) actions.push_back((env + step) % 4);
  return actions;
}

}  // namespace

TEST_CASE("a saved vector goes on bit for bit") {
  for (const fv_env_type* type : {&toy::type(), &toy::heap_type()}) {
    for (const AutoresetMode mode : {AutoresetMode::kNextStep, AutoresetMode::kSameStep}) {
      Setup one(*type, {.num_envs = 30, .num_threads = 2, .autoreset = mode}, 9);
      Setup other(*type, {.num_envs = 30, .num_threads = 1, .autoreset = mode}, 9);
      one.seed(0);
      one.reset();
      for (int step = 0; step < 11; ++step) one.step(actions_at(30, step));
      const auto envs = range(30);
      load_state(other.engine, envs, save_state(one.engine, envs));
      for (int step = 11; step < 40; ++step) {
        one.step(actions_at(30, step));
        other.step(actions_at(30, step));
        REQUIRE(results(one) == results(other));
      }
    }
  }
}

TEST_CASE("single envs are saved and loaded into others") {
  Setup setup(toy::heap_type(), {.num_envs = 3}, 100);
  setup.seed(0);
  setup.reset();
  for (int step = 0; step < 5; ++step) setup.step(actions_at(3, step));
  const std::int64_t from[] = {2};
  const std::int64_t to[] = {0};
  load_state(setup.engine, to, save_state(setup.engine, from));
  setup.step({1, 1, 1});
  CHECK(setup.view().rewards[0] == setup.view().rewards[2]);
  CHECK(setup.view().rewards[0] != setup.view().rewards[1]);
}

TEST_CASE("bytes that do not fit are refused and change nothing") {
  for (const fv_env_type* type : {&toy::type(), &toy::heap_type()}) {
    Setup setup(*type, {.num_envs = 3}, 100);
    setup.seed(0);
    setup.reset();
    setup.step({1, 2, 3});
    const auto envs = range(3);
    const std::vector<std::byte> state = save_state(setup.engine, envs);
    const auto refused = [&](std::span<const std::byte> bytes) {
      try {
        load_state(setup.engine, envs, bytes);
        return false;
      } catch (const EngineError& error) {
        return error.fault() == Fault::kInvalidArgument && save_state(setup.engine, envs) == state;
      }
    };
    bool all = true;
    for (std::size_t size = 0; size < state.size(); ++size) all = all && refused(std::span(state).first(size));
    CHECK(all);
    std::vector<std::byte> longer = state;
    longer.push_back(std::byte{0});
    CHECK(refused(longer));
    load_state(setup.engine, envs, state);
    CHECK(save_state(setup.engine, envs) == state);
  }
}

TEST_CASE("no bit flip leads out of bounds") {
  // Which states are whole is for the checksum around these bytes to say; here they only must not do harm.
  Setup setup(toy::heap_type(), {.num_envs = 2}, 100);
  setup.seed(0);
  setup.reset();
  setup.step({1, 2});
  const auto envs = range(2);
  const std::vector<std::byte> state = save_state(setup.engine, envs);
  for (std::size_t at = 0; at < state.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::vector<std::byte> damaged = state;
      damaged[at] ^= static_cast<std::byte>(1 << bit);
      try {
        load_state(setup.engine, envs, damaged);
      } catch (const EngineError&) {
      }
      load_state(setup.engine, envs, state);
    }
  }
  CHECK(save_state(setup.engine, envs) == state);
}

TEST_CASE("time limits are saved once one was set, and the older format has none") {
  Setup one(toy::type(), {.num_envs = 2, .max_episode_steps = 9});
  Setup other(toy::type(), {.num_envs = 2, .max_episode_steps = 5});
  const auto envs = range(2);
  const std::vector<std::byte> without = save_state(one.engine, envs);
  one.engine.set_time_limit(1, 3);
  load_state(other.engine, envs, save_state(one.engine, envs));
  CHECK(other.engine.episodes().time_limit(0) == 9);
  CHECK(other.engine.episodes().time_limit(1) == 3);
  load_state(other.engine, envs, without);
  CHECK(other.engine.episodes().time_limit(0) == 5);
  CHECK(other.engine.episodes().time_limit(1) == 5);

  // Format 1 is the same without the last eight bytes of each env's header.
  const std::size_t size = without.size() / 2, header = size - static_cast<std::size_t>(one.engine.spec().state_size);
  std::vector<std::byte> old;
  for (std::size_t env = 0; env < 2; ++env) {
    const auto at = without.begin() + static_cast<std::ptrdiff_t>(env * size);
    old.insert(old.end(), at, at + static_cast<std::ptrdiff_t>(header - 8));
    old.insert(old.end(), at + static_cast<std::ptrdiff_t>(header), at + static_cast<std::ptrdiff_t>(size));
  }
  other.engine.set_time_limit(0, 2);
  CHECK_THROWS_AS(load_state(other.engine, envs, old), EngineError);
  CHECK(other.engine.episodes().time_limit(0) == 2);
  load_state(other.engine, envs, old, 1);
  CHECK(other.engine.episodes().time_limit(0) == 5);
  CHECK(save_state(other.engine, {envs.data(), 1}).size() == size);
}
