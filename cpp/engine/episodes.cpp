#include "engine/episodes.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "engine/errors.hpp"

namespace fastvec::engine {

void EpisodeRows::begin(std::int64_t first, std::int64_t last) const {
  std::fill(elapsed + first, elapsed + last, 0);
  std::memset(pending + first, 0, static_cast<std::size_t>(last - first));
}

void EpisodeRows::begin_pending(std::int64_t first, std::int64_t last) const {
  for (auto env = next_pending(first, last); env < last; env = next_pending(env + 1, last)) elapsed[env] = 0;
  std::memset(pending + first, 0, static_cast<std::size_t>(last - first));
}

void EpisodeRows::count_steps(std::int64_t first, std::int64_t last, std::uint8_t* truncated) const {
  const std::int64_t count = last - first;
  std::int32_t* const steps = elapsed + first;
  const auto count_up_to = [&](auto limit_of) {
    for (std::int64_t k = 0; k < count; ++k) {
      steps[k] += 1;
      truncated[k] = static_cast<std::uint8_t>(truncated[k] | (steps[k] >= limit_of(k) ? 1 : 0));
    }
  };
  if (time_limits != nullptr) {
    count_up_to([limits = time_limits + first](std::int64_t k) { return limits[k]; });
  } else if (time_limit > 0) {
    count_up_to([limit = time_limit](std::int64_t) { return limit; });
  }
}

Episodes::Episodes(std::int64_t num_envs, std::int32_t time_limit)
    : own_time_limit_(time_limit),
      rngs_(index(num_envs)),
      elapsed_(index(num_envs)),
      pending_(index(num_envs)),
      started_(index(num_envs)) {}

void Episodes::set_started(std::int64_t env, bool is_started) {
  num_started_ += (is_started ? 1 : 0) - started_[index(env)];
  started_[index(env)] = is_started ? 1 : 0;
}

void Episodes::mark_started(const std::uint8_t* mask) {
  for (std::int64_t env = 0; env < num_envs(); ++env) {
    if (mask == nullptr || mask[env] != 0) set_started(env, true);
  }
}

void Episodes::mark_started(std::span<const std::int64_t> envs) {
  for (const std::int64_t env : envs) set_started(env, true);
}

void Episodes::forget_started() {
  std::fill(started_.begin(), started_.end(), std::uint8_t{0});
  num_started_ = 0;
}

std::int32_t Episodes::time_limit(std::int64_t env) const {
  if (time_limits_.empty()) return own_time_limit_ > 0 ? own_time_limit_ : kNoLimit;
  return time_limits_[index(env)];
}

void Episodes::set_time_limit(std::int64_t env, std::int32_t steps) {
  if (own_time_limit_ == 0) {
    throw EngineError(Fault::kInvalidArgument, "expected no time limit for envs that were made without, got " +
                                                   std::to_string(steps) + " for env " + std::to_string(env));
  }
  if (time_limits_.empty()) time_limits_.assign(elapsed_.size(), own_time_limit_);
  time_limits_[index(env)] = std::max(1, steps);
}

Episode Episodes::get(std::int64_t env) const { return {rng(env), elapsed(env), is_pending(env), is_started(env)}; }

void Episodes::set(std::int64_t env, const Episode& episode) {
  set_rng(env, episode.rng);
  set_elapsed(env, episode.elapsed);
  pending_[index(env)] = episode.is_pending ? 1 : 0;
  set_started(env, episode.is_started);
}

}  // namespace fastvec::engine
