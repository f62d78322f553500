// The limit that stepping is measured against: the env's own code in a plain loop, with nothing around it.
#pragma once

#include <cstdint>
#include <span>

#include "engine/engine.hpp"

namespace fastvec::tools {

// Steps `num_envs` envs `steps` times on `num_threads` threads and returns the nanoseconds it took, without making
// and first resetting them. Each thread loops over its own envs and never waits for another; finished envs are
// reset at once. `actions` holds, per action leaf, `batches` batches that are used in turn.
double run_bare_loop(const fv_env_type& type, const engine::Kwargs& kwargs, std::int64_t num_envs, int num_threads,
                     std::int64_t steps, const void* const* actions, std::int64_t batches);

}  // namespace fastvec::tools
