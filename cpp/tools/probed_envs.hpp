// A vector of envs, driven through the C table in turns, with what the engine would keep for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/layout.hpp"
#include "fastvec/abi.h"
#include "guarded_rows.hpp"
#include "tools/probe.hpp"

namespace fastvec::tools {

// `plan` must outlive it. Calls for different envs may be made from different threads.
class ProbedEnvs {
 public:
  ProbedEnvs(const fv_env_type& type, const engine::Kwargs& kwargs, const ProbePlan& plan);

  const std::vector<Column>& columns() const { return columns_; }
  std::size_t num_observations() const { return layout_.observations.size(); }
  std::vector<fv_rng>& rngs() { return rngs_; }
  std::uint8_t& pending(std::int64_t env) { return pending_[static_cast<std::size_t>(env)]; }

  // One turn of envs [first, last): those that are pending are reset, the others are stepped. In the first turn all
  // are pending. `context` and `report` take the failures. Returns "step" if an env was stepped, else "reset".
  const char* turn(std::int64_t first, std::int64_t last, std::int64_t step, GuardedRows& rows,
                   void (*report)(void*, std::int64_t, std::int32_t, const char*), void* context);

  void observe(std::int64_t first, std::int64_t last, GuardedRows& rows);

  // The saved state of an env; empty where it cannot be saved.
  std::vector<std::byte> state(std::int64_t env);

 private:
  const ProbePlan& plan_;
  engine::EnvVector vector_;
  engine::Layout layout_;
  std::vector<Column> columns_;
  std::vector<fv_rng> rngs_;
  std::vector<std::uint8_t> pending_;
};

// Tells who watches the plan's progress that a call of this step comes next.
void tell(const ProbePlan& plan, std::int64_t step);

}  // namespace fastvec::tools
