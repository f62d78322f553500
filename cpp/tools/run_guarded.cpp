#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

#include "guarded_rows.hpp"
#include "platform/clock.hpp"
#include "probed_envs.hpp"
#include "tools/probe.hpp"

namespace fastvec::tools {

namespace {

constexpr std::int64_t kLookAtOthers = 300;  // steps after which other envs' states are no longer compared
constexpr std::int64_t kLookAtWrites = 300;  // likewise for what observe() leaves unwritten

// Watches the calls of run_guarded.
class Guard {
 public:
  Guard(ProbedEnvs& envs, std::int64_t num_envs, ProbeReport& report)
      : envs_(envs), num_envs_(num_envs), report_(report) {}

  void turn(std::int64_t first, std::int64_t last, std::int64_t step, GuardedRows& rows) {
    const bool alone = last - first == 1 && num_envs_ > 1 && step < kLookAtOthers;
    if (alone) remember(first);
    failed_.clear();
    where_ = {first, last, step};
    const char* call = envs_.turn(
        first, last, step, rows,
        [](void* context, std::int64_t env, std::int32_t, const char* message) {
          auto& self = *static_cast<Guard*>(context);
          self.failed_.push_back(env);
          if (self.told_of_failure_) return;
          self.told_of_failure_ = true;
          self.add(ProbeFault::kFailed, "step", message, env, env + 1, 0);
        },
        this);
    for (const std::int64_t env : failed_) {
      envs_.pending(env) = 1;
      for (std::size_t i = 0; i < envs_.num_observations(); ++i) {
        const std::int64_t bytes = envs_.columns()[i].row_bytes;
        std::memset(rows.data(i) + (env - first) * bytes, 0, static_cast<std::size_t>(bytes));
      }
      rows.io().rewards[env - first] = 0.0;
    }
    if (look_outside(call, rows)) return;
    for (std::size_t i = 0; i <= envs_.num_observations(); ++i) {  // the observations, and the reward
      const std::int64_t at = rows.find_not_finite(i);
      if (at < 0) continue;
      const std::int64_t size = envs_.columns()[i].dtype == FV_FLOAT32 ? 4 : 8;
      const std::int64_t per_row = envs_.columns()[i].row_bytes / size;
      const std::int64_t env = first + at / per_row;
      add(ProbeFault::kNotFinite, call, envs_.columns()[i].name, env, env + 1, at % per_row);
      stop_ = true;
      return;
    }
    if (alone && look_at_others(call, first)) return;
    if (step < kLookAtWrites && failed_.empty()) look_at_writes(first, last, rows);
  }

  bool stopped() const { return stop_; }

 private:
  void add(ProbeFault::Kind kind, const char* call, const std::string& what, std::int64_t env, std::int64_t last_env,
           std::int64_t at) {
    report_.faults.push_back({kind, call, what, env, last_env, where_.step, at});
  }

  bool look_outside(const char* call, const GuardedRows& rows) {
    GuardedRows::Outside found{};
    if (!rows.find_outside(found)) return false;
    add(ProbeFault::kWroteOutside, call, envs_.columns()[found.column].name, where_.first, where_.last, found.at);
    stop_ = true;
    return true;
  }

  void remember(std::int64_t env) {
    others_.clear();
    for (std::int64_t i = 0; i < num_envs_; ++i)
      others_.push_back(i == env ? std::vector<std::byte>() : envs_.state(i));
    rngs_ = envs_.rngs();
  }

  bool look_at_others(const char* call, std::int64_t env) {
    for (std::int64_t i = 0; i < num_envs_; ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (i == env) continue;
      const bool same = std::memcmp(&rngs_[at], &envs_.rngs()[at], sizeof(fv_rng)) == 0;
      if (same && others_[at] == envs_.state(i)) continue;
      add(ProbeFault::kChangedOther, call, same ? "state" : "generator", env, env + 1, i);
      stop_ = true;
      return true;
    }
    return false;
  }

  // What observe() leaves as it was shows in memory that was filled with other bytes.
  void look_at_writes(std::int64_t first, std::int64_t last, GuardedRows& rows) {
    std::vector<std::vector<std::byte>> written;
    const std::int64_t count = last - first;
    for (const int value : {0x00, 0xFF}) {
      rows.fill_observations(value);
      envs_.observe(first, last, rows);
      if (look_outside("observe", rows)) return;
      for (std::size_t i = 0; i < envs_.num_observations(); ++i) {
        const std::int64_t size = envs_.columns()[i].row_bytes * count;
        if (value == 0x00) {
          written.emplace_back(rows.data(i), rows.data(i) + size);
          continue;
        }
        for (std::int64_t k = 0; k < size; ++k) {
          const std::byte one = written[i][static_cast<std::size_t>(k)], other = rows.data(i)[k];
          if (one != std::byte{0x00} || other != std::byte{0xFF}) continue;
          const std::int64_t env = first + k / envs_.columns()[i].row_bytes;
          add(ProbeFault::kNotWritten, "observe", envs_.columns()[i].name, env, env + 1,
              k % envs_.columns()[i].row_bytes);
          stop_ = true;
          return;
        }
      }
    }
  }

  ProbedEnvs& envs_;
  std::int64_t num_envs_;
  ProbeReport& report_;
  struct {
    std::int64_t first, last, step;
  } where_{};
  bool stop_ = false;
  bool told_of_failure_ = false;
  std::vector<std::int64_t> failed_;
  std::vector<std::vector<std::byte>> others_;
  std::vector<fv_rng> rngs_;
};

}  // namespace

ProbeReport run_guarded(const fv_env_type& type, const engine::Kwargs& kwargs, const ProbePlan& plan,
                        std::int64_t envs_per_call) {
  ProbedEnvs envs(type, kwargs, plan);
  ProbeReport report;
  Guard guard(envs, plan.num_envs, report);
  std::vector<std::unique_ptr<GuardedRows>> rows;  // of each call of a turn
  for (std::int64_t first = 0; first < plan.num_envs; first += envs_per_call) {
    const std::int64_t last = std::min(first + envs_per_call, plan.num_envs);
    rows.push_back(std::make_unique<GuardedRows>(envs.columns(), envs.num_observations(), last - first));
  }
  const std::int64_t start = platform::now_ns();
  for (std::int64_t step = 0; step <= plan.steps; ++step) {
    for (std::size_t call = 0; call < rows.size(); ++call) {
      const std::int64_t first = static_cast<std::int64_t>(call) * envs_per_call;
      tell(plan, step);
      guard.turn(first, std::min(first + envs_per_call, plan.num_envs), step, *rows[call]);
      if (guard.stopped()) return report;
    }
    report.steps = step;
    if (step % 16 == 15 && 1e-9 * static_cast<double>(platform::now_ns() - start) > plan.seconds) break;
  }
  return report;
}

}  // namespace fastvec::tools
