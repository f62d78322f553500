#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "fault_of.hpp"
#include "toy_env.hpp"

using namespace fastvec::engine;
using toy::Setup;

namespace {

std::int64_t action_of(std::int64_t env, int step) { return (env * 5 + step * 3) % 4; }

std::vector<std::int64_t> actions_at(std::int64_t num_envs, int step) {
  std::vector<std::int64_t> actions;
  for (std::int64_t env = 0; env < num_envs; ++env) actions.push_back(action_of(env, step));
  return actions;
}

bool any_final(const Engine& engine) {
  if (engine.options().autoreset != AutoresetMode::kSameStep) return false;
  const std::uint8_t* const mask = engine.final_mask();
  return std::find(mask, mask + engine.num_envs(), 1) != mask + engine.num_envs();
}

}  // namespace

TEST_CASE("a vector does what a plain loop over its envs does") {
  for (const AutoresetMode mode : {AutoresetMode::kNextStep, AutoresetMode::kSameStep, AutoresetMode::kDisabled}) {
    for (const std::int64_t num_envs : {1, 3, 700}) {
      for (const int threads : {1, 2, 5}) {
        for (const std::int64_t limit : {-1, 0, 1, 4}) {
          CAPTURE(static_cast<int>(mode));
          CAPTURE(num_envs);
          CAPTURE(threads);
          CAPTURE(limit);
          Setup setup(toy::type(),
                      {.num_envs = num_envs, .num_threads = threads, .autoreset = mode, .max_episode_steps = limit},
                      12);
          std::vector<toy::Reference> references;
          for (std::int64_t env = 0; env < num_envs; ++env) {
            references.emplace_back(static_cast<std::uint32_t>(100 + env), mode, 12, limit == -1 ? 7 : limit);
          }
          setup.seed(100);
          setup.reset();
          for (toy::Reference& reference : references) reference.reset();
          bool same = true;
          for (int step = 0; step < 30; ++step) {
            std::vector<std::uint8_t> mask;
            for (const toy::Reference& reference : references) mask.push_back(reference.done ? 1 : 0);
            if (mode == AutoresetMode::kDisabled && std::memchr(mask.data(), 1, mask.size()) != nullptr) {
              setup.reset(mask.data());
              for (toy::Reference& reference : references) {
                if (reference.done) reference.reset();
              }
            }
            setup.step(actions_at(num_envs, step));
            for (std::int64_t env = 0; env < num_envs; ++env) {
              toy::Reference& reference = references[static_cast<std::size_t>(env)];
              reference.step(action_of(env, step));
              const double* seen = setup.observation(env);
              same = same && seen[0] == reference.observation[0] && seen[1] == reference.observation[1] &&
                     setup.view().rewards[env] == reference.reward &&
                     (setup.view().terminated[env] != 0) == reference.terminated &&
                     (setup.view().truncated[env] != 0) == reference.truncated;
              if (mode != AutoresetMode::kSameStep) continue;
              same = same && (setup.engine.final_mask()[env] != 0) == reference.has_final;
              if (!reference.has_final) continue;
              const auto* kept = static_cast<const double*>(setup.engine.final_batch().observations[0]) + 2 * env;
              same = same && kept[0] == reference.final_observation[0] && kept[1] == reference.final_observation[1];
            }
          }
          CHECK(same);
        }
      }
    }
  }
}

TEST_CASE("masked resets leave the other envs alone") {
  Setup setup(toy::type(), {.num_envs = 6, .num_threads = 2});
  setup.seed(0);
  setup.reset();
  setup.step(actions_at(6, 0));
  std::vector<double> before(setup.observation(0), setup.observation(0) + 12);
  const std::uint8_t mask[] = {0, 1, 1, 0, 0, 1};
  setup.reset(mask);
  for (int env = 0; env < 6; ++env) {
    CAPTURE(env);
    CHECK((setup.observation(env)[1] != before[static_cast<std::size_t>(2 * env + 1)]) == (mask[env] == 1));
    CHECK(setup.engine.episodes().elapsed(env) == (mask[env] == 1 ? 0 : 1));
  }
}

TEST_CASE("info rows that were not written read as zeros") {
  Setup setup(toy::type(), {.num_envs = 40, .num_threads = 2, .max_episode_steps = 0}, 1'000'000);
  setup.seed(3);
  setup.reset();
  for (int step = 0; step < 10; ++step) {
    setup.step(actions_at(40, step));
    for (int env = 0; env < 40; ++env) {
      const auto sum = static_cast<std::int64_t>(setup.observation(env)[0]);
      CHECK(setup.view().info_mask[0][env] == 1);
      CHECK(static_cast<std::int64_t*>(setup.view().info[0])[env] == sum);
      CHECK(setup.view().info_mask[1][env] == sum % 2);
      CHECK(static_cast<double*>(setup.view().info[1])[env] == (sum % 2 == 1 ? setup.observation(env)[1] : 0.0));
    }
  }
}

TEST_CASE("calls in the wrong order are refused and change nothing") {
  Setup setup(toy::type(), {.num_envs = 3, .autoreset = AutoresetMode::kDisabled, .max_episode_steps = 1});
  const std::vector<std::int64_t> actions(3, 1);
  CHECK(fault_of([&] { setup.step(actions); }) == Fault::kNeedsReset);
  const std::uint8_t two[] = {1, 0, 1};
  setup.reset(two);
  CHECK(fault_of([&] { setup.step(actions); }) == Fault::kNeedsReset);
  setup.reset();
  setup.step(actions);
  CHECK(setup.view().truncated[2] == 1);
  const std::vector<double> before(setup.observation(0), setup.observation(0) + 6);
  CHECK(fault_of([&] { setup.step(actions); }) == Fault::kNeedsReset);
  CHECK(std::equal(before.begin(), before.end(), setup.observation(0)));
}

TEST_CASE("an action outside its space is refused before any env is stepped") {
  for (const std::int64_t wrong : {std::int64_t{10}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::min(),
                                   std::numeric_limits<std::int64_t>::max()}) {
    Setup setup(toy::type(), {.num_envs = 50, .num_threads = 2});
    setup.reset();
    std::vector<std::int64_t> actions(50, 1);
    actions[49] = wrong;
    CHECK(fault_of([&] { setup.step(actions); }) == Fault::kInvalidAction);
    CHECK(setup.engine.episodes().elapsed(0) == 0);
    actions[49] = 0;
    setup.step(actions);
  }
}

TEST_CASE("each env may have a time limit of its own") {
  for (const AutoresetMode mode : {AutoresetMode::kNextStep, AutoresetMode::kSameStep}) {
    Setup setup(toy::type(), {.num_envs = 3, .autoreset = mode, .max_episode_steps = 4});
    setup.reset();
    setup.engine.set_time_limit(0, 2);
    setup.engine.set_time_limit(1, Episodes::kNoLimit);
    CHECK(setup.engine.episodes().time_limit(2) == 4);
    std::vector<int> ends(3);
    for (int step = 1; step <= 4; ++step) {
      setup.step({0, 0, 0});
      for (std::size_t env = 0; env < 3; ++env) {
        if (setup.view().truncated[env] != 0 && ends[env] == 0) ends[env] = step;
      }
    }
    CHECK(ends == std::vector<int>{2, 0, 4});
  }
  Setup without(toy::type(), {.num_envs = 1, .max_episode_steps = 0});
  CHECK(fault_of([&] { without.engine.set_time_limit(0, 3); }) == Fault::kInvalidArgument);
}

TEST_CASE("actions of envs about to be reset are not looked at") {
  Setup setup(toy::type(), {.num_envs = 2, .max_episode_steps = 1});
  setup.reset();
  setup.step({0, 0});
  setup.step({99, -99});
  CHECK(setup.view().rewards[0] == 0.0);
  CHECK(fault_of([&] { setup.step({99, -99}); }) == Fault::kInvalidAction);
}

TEST_CASE("an env that throws is told and the batch completes") {
  for (const AutoresetMode mode : {AutoresetMode::kNextStep, AutoresetMode::kSameStep, AutoresetMode::kDisabled}) {
    for (const int threads : {1, 3}) {
      Setup setup(toy::type(), {.num_envs = 600, .num_threads = threads, .autoreset = mode});
      setup.seed(0);
      setup.reset();
      std::vector<std::int64_t> actions(600, 1);
      actions[5] = actions[300] = actions[599] = 9;
      try {
        setup.step(actions);
        FAIL("expected failures");
      } catch (const EnvFailures& failures) {
        REQUIRE(failures.failures().size() == 3);
        CHECK(failures.failures()[0].env == 5);
        CHECK(failures.failures()[1].env == 300);
        CHECK(failures.failures()[2].env == 599);
        CHECK(failures.failures()[0].code == FV_ERROR);
        CHECK(failures.failures()[0].message == "step failed");
      }
      CHECK(setup.observation(5)[1] == 0.0);
      CHECK(setup.view().truncated[5] == 1);
      CHECK(setup.view().terminated[5] == 0);
      CHECK(setup.view().info_mask[0][5] == 0);
      CHECK(setup.view().rewards[6] == 0.5);
      CHECK(setup.view().truncated[6] == 0);
      CHECK_FALSE(any_final(setup.engine));
      if (mode == AutoresetMode::kDisabled) {
        CHECK(fault_of([&] { setup.step(actions_at(600, 0)); }) == Fault::kNeedsReset);
      } else {
        setup.step(actions_at(600, 0));
        CHECK(setup.engine.episodes().elapsed(5) == 0);
        CHECK(setup.engine.episodes().elapsed(6) == 2);
        CHECK(setup.view().truncated[5] == 0);
      }
    }
  }
}

TEST_CASE("flags left in the buffer by an earlier step do not end a failed env's episode") {
  Setup setup(toy::type(), {.num_envs = 2, .autoreset = AutoresetMode::kSameStep, .max_episode_steps = 3});
  setup.reset();
  for (int step = 0; step < 3; ++step) setup.step({0, 0});
  CHECK(setup.view().truncated[0] == 1);
  CHECK(any_final(setup.engine));
  CHECK_THROWS_AS(setup.step({9, 0}), EnvFailures);
  CHECK_FALSE(any_final(setup.engine));
}

TEST_CASE("an env that fails at the step of its time limit has no episode that ends, and is reset at its next turn") {
  Setup setup(toy::type(), {.num_envs = 2, .autoreset = AutoresetMode::kSameStep, .max_episode_steps = 1});
  setup.reset();
  CHECK_THROWS_AS(setup.step({9, 0}), EnvFailures);
  CHECK(setup.engine.final_mask()[0] == 0);
  CHECK(setup.engine.final_mask()[1] == 1);
  CHECK(setup.engine.episodes().is_pending(0));
  CHECK(setup.engine.episodes().elapsed(0) == 0);
  setup.step({0, 0});
  CHECK(setup.view().truncated[0] == 0);  // a reset
  CHECK(setup.view().truncated[1] == 1);
}

TEST_CASE("an env without a time limit counts no steps, also after it has failed") {
  Setup setup(toy::type(), {.num_envs = 1, .max_episode_steps = 0});
  setup.reset();
  setup.step({1});
  CHECK_THROWS_AS(setup.step({9}), EnvFailures);
  CHECK(setup.engine.episodes().elapsed(0) == 0);
}

TEST_CASE("a reset that throws is told") {
  Setup setup(toy::type(), {.num_envs = 3, .max_episode_steps = 1});
  setup.reset();
  setup.step({0, 8, 0});
  CHECK_THROWS_AS(setup.step({0, 0, 0}), EnvFailures);
  setup.step({0, 0, 0});  // env 1 is reset, the others take the step that ends their episode
  CHECK(setup.view().truncated[1] == 0);
  CHECK(setup.view().truncated[0] == 1);
}

TEST_CASE("options reach reset, and bad ones are refused first") {
  Setup setup(toy::type(), {.num_envs = 2});
  setup.engine.reset(nullptr, nullptr, setup.view(), {});
  ResetOptions options{{50.0}, {1, 0}};
  setup.engine.reset(nullptr, &options, setup.view(), {});
  CHECK(setup.observation(0)[0] >= 50.0);
  const double before = setup.observation(0)[1];
  options.values[0] = -1.0;
  CHECK(fault_of([&] { setup.engine.reset(nullptr, &options, setup.view(), {}); }) == Fault::kInvalidArgument);
  CHECK(setup.observation(0)[1] == before);
}

TEST_CASE("a stop check ends a batch, and a reset is needed then") {
  for (const int threads : {1, 2}) {
    Setup setup(toy::type(), {.num_envs = 2000, .num_threads = threads});
    setup.seed(0);
    setup.reset();
    const std::vector<std::int64_t> slow(2000, 6);  // 400 ms in all
    const void* pointers[] = {slow.data()};
    const StopCheck stop{[](void*) { return true; }, nullptr};
    CHECK(fault_of([&] { setup.engine.step({pointers}, setup.view(), stop); }) == Fault::kInterrupted);
    CHECK(setup.engine.episodes().elapsed(1999) + setup.engine.episodes().elapsed(999) < 2);  // not all have stepped
    CHECK(fault_of([&] { setup.step(std::vector<std::int64_t>(2000, 1)); }) == Fault::kNeedsReset);
    setup.reset();
    setup.step(std::vector<std::int64_t>(2000, 1));
    CHECK(setup.engine.episodes().elapsed(1999) == 1);
  }
}

TEST_CASE("kwargs reach the env") {
  Setup setup(toy::type(), {.num_envs = 1, .max_episode_steps = 0}, 1);
  setup.reset();
  setup.step({3});
  CHECK(setup.view().terminated[0] == 1);
}

TEST_CASE("a reset of no env gives the current observations") {
  Setup setup(toy::type(), {.num_envs = 300, .num_threads = 4});
  setup.seed(1);
  for (int i = 0; i < 20; ++i) setup.reset();
  setup.step(actions_at(300, 1));
  BatchMemory other(setup.engine.layout(), 300);
  const std::vector<std::uint8_t> none(300, 0);
  setup.engine.reset(none.data(), nullptr, other.view(), {});
  CHECK(std::memcmp(other.view().observations[0], setup.view().observations[0], 300 * 16) == 0);
}
