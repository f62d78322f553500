#include <doctest/doctest.h>

#include <vector>

#include "engine/episodes.hpp"
#include "fault_of.hpp"

using namespace fastvec::engine;

namespace {

using Flags = std::vector<std::uint8_t>;

std::vector<std::int32_t> elapsed(const Episodes& episodes) {
  std::vector<std::int32_t> steps;
  for (std::int64_t env = 0; env < episodes.num_envs(); ++env) steps.push_back(episodes.elapsed(env));
  return steps;
}

Flags pending(const Episodes& episodes) {
  return {episodes.pending_flags(), episodes.pending_flags() + episodes.num_envs()};
}

}  // namespace

TEST_CASE("steps are counted up to the time limit, and what ended is pending") {
  Episodes episodes(3, 2);
  const Flags terminated{0, 1, 0};
  Flags truncated{0, 0, 0};
  episodes.rows().count_steps(0, 3, truncated.data());
  episodes.rows().note_ended(0, 3, terminated.data(), truncated.data());
  CHECK(elapsed(episodes) == std::vector<std::int32_t>{1, 1, 1});
  CHECK(truncated == Flags{0, 0, 0});
  CHECK(pending(episodes) == Flags{0, 1, 0});
  episodes.rows().begin(1, 2);
  const Flags none{0, 0, 0};
  episodes.rows().count_steps(0, 3, truncated.data());
  episodes.rows().note_ended(0, 3, none.data(), truncated.data());
  CHECK(truncated == Flags{1, 0, 1});
  CHECK(pending(episodes) == Flags{1, 0, 1});
}

TEST_CASE("an env that was pending begins anew, and the others go on") {
  Episodes episodes(2, 3);
  const Flags none{0, 0};
  Flags truncated{0, 0};
  episodes.set_pending(0);
  episodes.rows().count_steps(0, 2, truncated.data());
  CHECK(episodes.rows().next_pending(0, 2) == 0);
  CHECK(episodes.rows().next_not_pending(0, 2) == 1);
  episodes.rows().begin_pending(0, 2);
  episodes.rows().note_ended(0, 2, none.data(), truncated.data());
  CHECK(elapsed(episodes) == std::vector<std::int32_t>{0, 1});
  CHECK(pending(episodes) == Flags{0, 0});
}

TEST_CASE("a range is counted alone") {
  Episodes episodes(4, 9);
  Flags truncated{0, 0};
  episodes.rows().count_steps(1, 3, truncated.data());
  CHECK(elapsed(episodes) == std::vector<std::int32_t>{0, 1, 1, 0});
}

TEST_CASE("without a time limit no steps are counted, and none can be set") {
  Episodes episodes(1, 0);
  const Flags ended{1};
  Flags truncated{0};
  episodes.rows().count_steps(0, 1, truncated.data());
  episodes.rows().note_ended(0, 1, ended.data(), truncated.data());
  CHECK(episodes.elapsed(0) == 0);
  CHECK(episodes.is_pending(0));
  CHECK(episodes.time_limit(0) == Episodes::kNoLimit);
  CHECK(fault_of([&] { episodes.set_time_limit(0, 5); }) == Fault::kInvalidArgument);
}

TEST_CASE("an env's own time limit is at least 1 and leaves the others theirs") {
  Episodes episodes(2, 7);
  episodes.set_time_limit(1, -4);
  CHECK(episodes.time_limit(0) == 7);
  CHECK(episodes.time_limit(1) == 1);
  CHECK(episodes.own_time_limit() == 7);
}

TEST_CASE("envs are started by a reset, until a batch is broken off") {
  Episodes episodes(3, 0);
  CHECK_FALSE(episodes.are_all_started());
  const Flags mask{1, 0, 1};
  episodes.mark_started(mask.data());
  episodes.mark_started(mask.data());
  CHECK(episodes.first_not_started() == 1);
  CHECK_FALSE(episodes.are_all_started());
  episodes.mark_started(std::vector<std::int64_t>{1});
  CHECK(episodes.are_all_started());
  episodes.forget_started();
  CHECK(episodes.first_not_started() == 0);
}

TEST_CASE("an episode is put back as it was") {
  Episodes one(1, 9), other(2, 9);
  one.set_rng(0, {1, 2, 3, 4, 1, 5});
  one.set_elapsed(0, 6);
  one.set_pending(0);
  one.mark_started(nullptr);
  other.set(1, one.get(0));
  CHECK(other.rng(1).state_low == 2);
  CHECK(other.elapsed(1) == 6);
  CHECK(other.is_pending(1));
  CHECK(other.is_started(1));
  CHECK_FALSE(other.is_started(0));
  CHECK_FALSE(other.are_all_started());
}
