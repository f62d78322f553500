#include "probed_envs.hpp"

#include "fastvec/rng.hpp"

namespace fastvec::tools {

ProbedEnvs::ProbedEnvs(const fv_env_type& type, const engine::Kwargs& kwargs, const ProbePlan& plan)
    : plan_(plan),
      vector_(type, kwargs, plan.num_envs),
      layout_(vector_.spec()),
      columns_(columns_of(layout_, vector_.spec())),
      rngs_(static_cast<std::size_t>(plan.num_envs)),
      pending_(static_cast<std::size_t>(plan.num_envs), 1) {
  for (std::size_t i = 0; i < rngs_.size(); ++i) seed_rng(rngs_[i], plan.seed + i);
}

const char* ProbedEnvs::turn(std::int64_t first, std::int64_t last, std::int64_t step, GuardedRows& rows,
                             void (*report)(void*, std::int64_t, std::int32_t, const char*), void* context) {
  fv_io& io = rows.io();
  io.rngs = rngs_.data();
  io.report = report;
  io.report_context = context;
  rows.clear_info_masks(0, last - first);
  const fv_range range{first, last, ((step + plan_.action_batches - 1) % plan_.action_batches) * plan_.num_envs + first,
                       0};
  std::int64_t waiting = 0;
  for (std::int64_t i = first; i < last; ++i) waiting += pending(i);
  const char* call = "reset";
  if (waiting < last - first) {
    call = "step";
    io.actions = plan_.actions.data();
    io.resetting = waiting == 0 ? nullptr : pending_.data();
    vector_.step(range, io);
  }
  for (std::int64_t i = first; i < last; ++i) {
    if (pending(i) == 0) continue;
    rows.io().rewards[i - first] = 0.0;
    rows.terminated()[i - first] = rows.truncated()[i - first] = 0;
    rows.clear_info_masks(i - first, 1);
  }
  if (waiting > 0) {
    io.actions = nullptr;
    io.resetting = pending_.data();
    vector_.reset(range, io);
  }
  io.resetting = nullptr;
  for (std::int64_t i = first; i < last; ++i) {
    pending(i) = static_cast<std::uint8_t>(rows.terminated()[i - first] | rows.truncated()[i - first]);
  }
  return call;
}

void ProbedEnvs::observe(std::int64_t first, std::int64_t last, GuardedRows& rows) {
  vector_.observe({first, last, 0, 0}, rows.io());
}

std::vector<std::byte> ProbedEnvs::state(std::int64_t env) {
  std::vector<std::byte> bytes;
  try {
    vector_.save(env, bytes);
  } catch (const engine::EnvFailures&) {
    bytes.clear();
  }
  return bytes;
}

void tell(const ProbePlan& plan, std::int64_t step) {
  if (plan.progress == nullptr) return;
  plan.progress[1] = step;
  plan.progress[0] += 1;
}

}  // namespace fastvec::tools
