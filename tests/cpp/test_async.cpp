#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <numeric>

#include "engine/async.hpp"
#include "fault_of.hpp"
#include "toy_env.hpp"

using namespace fastvec::engine;
using toy::Setup;

namespace {

// A runner over a toy engine, with memory for `batch` rows.
struct Runner {
  Runner(std::int64_t num_envs, int threads, std::int64_t batch_rows, AutoresetMode mode = AutoresetMode::kNextStep)
      : setup(toy::type(), {.num_envs = num_envs, .num_threads = threads, .autoreset = mode}),
        runner(std::make_unique<AsyncRunner>(setup.engine)),
        batch(setup.engine.layout(), batch_rows),
        ids(static_cast<std::size_t>(batch_rows)) {
    setup.seed(0);
  }

  std::vector<std::int64_t> all() const {
    std::vector<std::int64_t> envs(static_cast<std::size_t>(setup.engine.num_envs()));
    std::iota(envs.begin(), envs.end(), 0);
    return envs;
  }
  void step(const std::vector<std::int64_t>& envs, const std::vector<std::int64_t>& actions) {
    const void* pointers[] = {actions.data()};
    runner->step(envs, {pointers});
  }
  void receive(std::optional<double> timeout = std::nullopt) {
    runner->receive(static_cast<std::int64_t>(ids.size()), timeout, batch.view(), ids.data(), {});
  }
  const double* observation(std::size_t row) const {
    return static_cast<const double*>(batch.view().observations[0]) + 2 * row;
  }

  Setup setup;
  std::unique_ptr<AsyncRunner> runner;
  BatchMemory batch;
  std::vector<std::int64_t> ids;
};

}  // namespace

TEST_CASE("every env sees what a plain loop sees, at any batch size") {
  for (const std::int64_t rows : {1, 3, 8}) {
    for (const int threads : {1, 2, 4}) {
      Runner runner(8, threads, rows);
      std::vector<toy::Reference> references;
      for (std::uint32_t env = 0; env < 8; ++env) {
        references.emplace_back(env, AutoresetMode::kNextStep, 20, 7);
        references.back().reset();
      }
      runner.runner->reset(runner.all(), nullptr);
      std::vector<int> turns(8);
      bool same = true;
      for (int batch = 0; batch < 200; ++batch) {
        runner.receive();
        std::vector<std::int64_t> actions;
        for (std::size_t row = 0; row < runner.ids.size(); ++row) {
          const auto env = static_cast<std::size_t>(runner.ids[row]);
          if (turns[env]++ > 0)
            references[env].step(static_cast<std::int64_t>(env + static_cast<std::size_t>(turns[env])) % 4);
          same = same && runner.observation(row)[0] == references[env].observation[0] &&
                 runner.observation(row)[1] == references[env].observation[1] &&
                 runner.batch.view().rewards[row] == (turns[env] > 1 ? references[env].reward : 0.0);
          actions.push_back(static_cast<std::int64_t>(env + static_cast<std::size_t>(turns[env]) + 1) % 4);
        }
        runner.step(runner.ids, actions);
      }
      CHECK(same);
      CHECK(runner.runner->in_flight() == 8);
    }
  }
}

TEST_CASE("misuse is refused and hands in nothing") {
  Runner runner(4, 2, 2);
  CHECK(fault_of([&] { runner.receive(); }) == Fault::kWrongMode);
  CHECK(fault_of([&] { runner.step({0}, {1}); }) == Fault::kNeedsReset);
  runner.runner->reset(runner.all(), nullptr);
  CHECK(fault_of([&] { runner.runner->reset(std::vector<std::int64_t>{0}, nullptr); }) == Fault::kWrongMode);
  runner.receive();
  const std::int64_t idle = runner.ids[0];
  CHECK(fault_of([&] { runner.step({idle, idle}, {1, 1}); }) == Fault::kInvalidArgument);
  CHECK(fault_of([&] { runner.step({4}, {1}); }) == Fault::kInvalidArgument);
  CHECK(fault_of([&] { runner.step({-1}, {1}); }) == Fault::kInvalidArgument);
  CHECK(fault_of([&] { runner.step({idle}, {10}); }) == Fault::kInvalidAction);
  CHECK(runner.runner->in_flight() == 2);
  runner.receive();
  CHECK(fault_of([&] { runner.receive(); }) == Fault::kWrongMode);
  CHECK(fault_of([&] { runner.receive(0.0); }) == Fault::kWrongMode);
  runner.step(runner.all(), {1, 1, 1, 1});
  runner.receive();
}

TEST_CASE("a timeout loses nothing, and a waiting env holds nobody up") {
  Runner runner(3, 3, 1);
  runner.runner->reset(runner.all(), nullptr);
  for (int i = 0; i < 3; ++i) runner.receive();
  toy::Toy::gate_open = false;
  runner.step({1}, {7});
  toy::Toy::waiting.wait(0);  // env 1 is inside its step now
  runner.step({0, 2}, {1, 2});
  std::map<std::int64_t, double> rewards;
  for (int i = 0; i < 2; ++i) {
    runner.receive(60.0);
    rewards[runner.ids[0]] = runner.batch.view().rewards[0];
  }
  CHECK(rewards == std::map<std::int64_t, double>{{0, 0.5}, {2, 1.0}});
  for (const double timeout : {0.0, 0.01, -3.0}) {
    CHECK(fault_of([&] { runner.receive(timeout); }) == Fault::kTimeout);
  }
  toy::Toy::gate_open = true;
  toy::Toy::gate_open.notify_all();
  runner.receive(std::numeric_limits<double>::infinity());
  CHECK(runner.ids[0] == 1);
  CHECK(runner.runner->in_flight() == 0);
}

TEST_CASE("a timeout that is no number is refused") {
  Runner runner(1, 1, 1);
  runner.runner->reset(runner.all(), nullptr);
  CHECK(fault_of([&] { runner.receive(std::numeric_limits<double>::quiet_NaN()); }) == Fault::kInvalidArgument);
  runner.receive(1e300);
}

TEST_CASE("a stop check interrupts a wait and loses nothing") {
  Runner runner(1, 1, 1);
  runner.runner->reset(runner.all(), nullptr);
  runner.receive();
  toy::Toy::gate_open = false;
  runner.step({0}, {7});
  const StopCheck stop{[](void*) { return true; }, nullptr};
  CHECK(fault_of([&] { runner.runner->receive(1, std::nullopt, runner.batch.view(), runner.ids.data(), stop); }) ==
        Fault::kInterrupted);
  toy::Toy::gate_open = true;
  toy::Toy::gate_open.notify_all();
  runner.receive();
  CHECK(runner.batch.view().rewards[0] == 3.5);
}

TEST_CASE("failures come with the batch of their envs") {
  Runner runner(4, 2, 2);
  runner.runner->reset(runner.all(), nullptr);
  runner.receive();
  runner.receive();
  runner.step(runner.all(), {1, 9, 1, 1});
  int failed = 0;
  for (int i = 0; i < 2; ++i) {
    try {
      runner.receive();
    } catch (const EnvFailures& failures) {
      ++failed;
      REQUIRE(failures.failures().size() == 1);
      CHECK(failures.failures()[0].env == 1);
      CHECK((runner.ids[0] == 1 || runner.ids[1] == 1));
      CHECK(runner.batch.view().truncated[runner.ids[0] == 1 ? 0 : 1] == 1);
    }
  }
  CHECK(failed == 1);
  runner.step({1}, {1});  // it is reset at its next turn
  runner.step({0}, {1});
  runner.receive();
  CHECK(runner.batch.view().truncated[0] == 0);
}

TEST_CASE("with autoreset disabled a finished env has to be reset") {
  Runner runner(1, 1, 1, AutoresetMode::kDisabled);
  runner.runner->reset(runner.all(), nullptr);
  runner.receive();
  for (int step = 0; step < 7; ++step) {
    runner.step({0}, {0});
    runner.receive();
  }
  CHECK(runner.batch.view().truncated[0] == 1);
  CHECK(fault_of([&] { runner.step({0}, {0}); }) == Fault::kNeedsReset);
  runner.runner->reset(runner.all(), nullptr);
  runner.receive();
  runner.step({0}, {0});
  runner.receive();
}

TEST_CASE("runners end with envs in flight, and come and go") {
  for (int i = 0; i < 30; ++i) {
    Runner runner(200, 1 + i % 4, 10);
    runner.runner->reset(runner.all(), nullptr);
    if (i % 2 == 0) runner.receive();
  }
}
