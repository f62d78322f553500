// One reset or step of a batch of envs, and the turn of a range of them: what comes after an episode's end, and what
// becomes of envs that fail.
//
// Nothing here is kept from one batch to the next: where the envs stand in their episodes, and with plain state the
// envs themselves, lie in the caller's arrays. Threads: `step_range` and `reset_range` may be called at once on
// disjoint ranges of one batch. Nothing is allocated unless an env fails.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "engine/actions.hpp"
#include "engine/env_vector.hpp"
#include "engine/episodes.hpp"
#include "engine/errors.hpp"
#include "engine/layout.hpp"

namespace fastvec::engine {

enum class AutoresetMode { kNextStep, kSameStep, kDisabled };

// What is asked of all ranges of a batch. Row i of every array is env i's.
struct Batch {
  EnvVector& envs;
  const Layout& layout;
  EpisodeRows episodes;
  AutoresetMode autoreset;
  const BatchView& out;
  const BatchView* final_rows = nullptr;  // SameStep: for the last observation and info of the episodes that end here
  std::uint8_t* final_mask = nullptr;     // SameStep: gets 1 where one ended, else 0
  void* states = nullptr;                 // fv_io::envs; null: the vector's own envs
  ActionView actions{};                   // of a step
  const ResetOptions* options = nullptr;  // of a reset; null: none
  const std::uint8_t* mask = nullptr;     // of a reset: which envs; null: all

  std::mutex mutex{};  // guards the failures
  std::vector<EnvFailure> failures{};
};

// The turns of envs [first, last). Failures are added to the batch; the other envs of the range have had their turn.
void step_range(Batch& batch, std::int64_t first, std::int64_t last);
void reset_range(Batch& batch, std::int64_t first, std::int64_t last);

// Throws EnvFailures, in the order of the envs, if envs of a batch that is over have failed.
void throw_failures(Batch& batch);

// Throws EngineError(kNeedsReset) if one of the envs' episodes has ended: with autoreset disabled it is to be reset,
// by calling `how`.
void require_no_ended(const std::uint8_t* pending, std::int64_t num_envs, const std::string& how);

}  // namespace fastvec::engine
