// Where each env of a vector stands in its episode: generator, steps taken, whether it is to be reset at its next turn,
// and its time limit. What is the same for every env, and so is not the env's own.
//
// Each of these is an array with one entry per env, so that a range of envs is counted in one pass.
// Threads: the calls for a range may run at once on disjoint ranges; everything else is called by one thread. What is
// asked of one env may be asked while others are at work.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "fastvec/abi.h"
#include "fastvec/flags.hpp"

namespace fastvec::engine {

// The episodes of a run of envs, in arrays of somebody else's with one entry per env: what a step or reset of them
// reads and writes. A view, to be copied; all its calls are for a range of envs.
struct EpisodeRows {
  fv_rng* rngs = nullptr;  // what fv_io::rngs wants
  std::int32_t* elapsed = nullptr;
  std::uint8_t* pending = nullptr;            // 1 where an env is pending: what fv_io::resetting wants
  const std::int32_t* time_limits = nullptr;  // null: all have `time_limit`
  std::int32_t time_limit = 0;                // 0: none, and no steps are counted

  // The first of envs [from, last) that is pending, or is not; `last` if there is none.
  std::int64_t next_pending(std::int64_t from, std::int64_t last) const { return next_set(pending, from, last); }
  std::int64_t next_not_pending(std::int64_t from, std::int64_t last) const { return next_clear(pending, from, last); }

  // Envs [first, last) were reset.
  void begin(std::int64_t first, std::int64_t last) const;
  // Those of envs [first, last) that are pending were reset.
  void begin_pending(std::int64_t first, std::int64_t last) const;
  // Envs [first, last) were stepped: counts it, and adds the time limit to `truncated`, which starts with env
  // `first`'s. It may be called for pending ones, too, which are then to begin.
  void count_steps(std::int64_t first, std::int64_t last, std::uint8_t* truncated) const;
  // Those of envs [first, last) become pending whose flags say that their episode has ended.
  void note_ended(std::int64_t first, std::int64_t last, const std::uint8_t* terminated,
                  const std::uint8_t* truncated) const {
    std::uint8_t* const flags = pending + first;
    for (std::int64_t k = 0; k < last - first; ++k) flags[k] = static_cast<std::uint8_t>(terminated[k] | truncated[k]);
  }
};

// One env's part, to be kept and put back.
struct Episode {
  fv_rng rng;
  std::int32_t elapsed;
  bool is_pending;
  bool is_started;
};

class Episodes {
 public:
  // Bytes per env in the arrays of every vector.
  static constexpr std::int64_t kBytesPerEnv = sizeof(fv_rng) + sizeof(std::int32_t) + 2;
  // A time limit that is never reached.
  static constexpr std::int32_t kNoLimit = std::numeric_limits<std::int32_t>::max();

  // `time_limit`: steps after which an episode is truncated; 0: none, and then none can be set and no steps are
  // counted.
  Episodes(std::int64_t num_envs, std::int32_t time_limit);

  std::int64_t num_envs() const { return static_cast<std::int64_t>(rngs_.size()); }

  // All envs, to be stepped and reset. It is valid until a time limit is set.
  EpisodeRows rows() {
    return {rngs_.data(), elapsed_.data(), pending_.data(), time_limits_.empty() ? nullptr : time_limits_.data(),
            own_time_limit_};
  }

  fv_rng* rngs() { return rngs_.data(); }
  const fv_rng& rng(std::int64_t env) const { return rngs_[index(env)]; }
  void set_rng(std::int64_t env, const fv_rng& rng) { rngs_[index(env)] = rng; }

  // Steps of the current episode.
  std::int32_t elapsed(std::int64_t env) const { return elapsed_[index(env)]; }
  void set_elapsed(std::int64_t env, std::int32_t steps) { elapsed_[index(env)] = steps; }

  // Pending: its episode has ended, or the env has failed, and it is to be reset before it is stepped again.
  bool is_pending(std::int64_t env) const { return pending_[index(env)] != 0; }
  void set_pending(std::int64_t env) { pending_[index(env)] = 1; }
  const std::uint8_t* pending_flags() const { return pending_.data(); }

  // Started: it was reset at least once, since it was made or since a batch was broken off.
  bool is_started(std::int64_t env) const { return started_[index(env)] != 0; }
  bool are_all_started() const { return num_started_ == num_envs(); }
  std::int64_t first_not_started() const { return next_clear(started_.data(), 0, num_envs()); }
  // `mask`: only the envs where it is 1 (null: all).
  void mark_started(const std::uint8_t* mask);
  void mark_started(std::span<const std::int64_t> envs);
  void forget_started();

  // Until the first `set_time_limit` all envs have the vector's own. At least 1; kNoLimit for none.
  std::int32_t own_time_limit() const { return own_time_limit_; }  // 0: none
  bool time_limits_were_set() const { return !time_limits_.empty(); }
  std::int32_t time_limit(std::int64_t env) const;
  // Throws EngineError(kInvalidArgument) if the vector was made without time limit.
  void set_time_limit(std::int64_t env, std::int32_t steps);

  Episode get(std::int64_t env) const;
  void set(std::int64_t env, const Episode& episode);

 private:
  static std::size_t index(std::int64_t env) { return static_cast<std::size_t>(env); }
  void set_started(std::int64_t env, bool is_started);

  std::int32_t own_time_limit_;
  std::vector<std::int32_t> time_limits_;  // empty: all have own_time_limit_
  std::vector<fv_rng> rngs_;
  std::vector<std::int32_t> elapsed_;
  std::vector<std::uint8_t> pending_;
  std::vector<std::uint8_t> started_;
  std::int64_t num_started_ = 0;
};

}  // namespace fastvec::engine
