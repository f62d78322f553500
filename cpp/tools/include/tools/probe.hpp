// Looks at what an env's own code does with the memory that it is given, and whether envs that are stepped at the same
// time disturb each other. For `fastvec check`: the engine itself is not involved, the C table is called directly.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "fastvec/abi.h"

namespace fastvec::tools {

// What a probe runs. The actions of env i at step t are row (t % action_batches) * num_envs + i of each leaf.
struct ProbePlan {
  std::int64_t num_envs = 1;
  std::int64_t steps = 1;
  std::uint64_t seed = 0;
  double seconds = 1e9;              // ends after so much time, whatever `steps` says
  std::vector<const void*> actions;  // per leaf
  std::int64_t action_batches = 1;
  // Null, or two numbers that somebody else watches: the calls made so far, and the step that is under way.
  std::int64_t* progress = nullptr;
};

struct ProbeFault {
  enum Kind : int {
    kWroteOutside,  // `what` is the row, `at` the byte: negative before it, otherwise past its end
    kNotWritten,    // `at`: the byte of the row
    kNotFinite,     // `at`: the element of the row
    kChangedOther,  // the state or the generator of env `at`
    kFailed,        // `what`: the message
  };
  Kind kind;
  const char* call;  // "reset", "step", "observe"
  std::string what;
  std::int64_t env, last_env;  // the envs of the call: [env, last_env)
  std::int64_t step;           // 0: the first reset
  std::int64_t at;
};

struct ProbeReport {
  std::vector<ProbeFault> faults;  // the first of each kind
  std::int64_t steps = 0;          // that were made
};

// Resets and steps the envs of a new vector, `envs_per_call` at a time, each call with rows of its own between guard
// bytes. Episodes have no time limit. It ends at the first fault, but for kFailed: such an env is reset, as the engine
// would do. Throws std::runtime_error if the vector cannot be made.
ProbeReport run_guarded(const fv_env_type& type, const engine::Kwargs& kwargs, const ProbePlan& plan,
                        std::int64_t envs_per_call);

// A number for each row that a run wrote.
struct ProbeDigests {
  std::vector<std::string> columns;   // names of the rows of one env
  std::vector<std::uint32_t> values;  // [step (the reset first)][env][column]
  double nanoseconds = 0.0;
};

// Resets the envs of a new vector and steps them, each of `num_threads` threads its own share, as fast as it can
// and without waiting for the others.
ProbeDigests run_apart(const fv_env_type& type, const engine::Kwargs& kwargs, const ProbePlan& plan, int num_threads);

}  // namespace fastvec::tools
