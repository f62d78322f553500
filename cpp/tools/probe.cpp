#include "tools/probe.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <thread>

#include "engine/layout.hpp"
#include "fastvec/rng.hpp"

namespace fastvec::tools {

namespace {

constexpr std::int64_t kGuard = 256;  // bytes on either side of the rows of a call
constexpr std::byte kMark{0xA7};
constexpr std::int64_t kLookAtOthers = 300;  // steps after which other envs' states are no longer compared
constexpr std::int64_t kLookAtWrites = 300;  // likewise for what observe() leaves unwritten

void name_leaves(const fv_space& space, const std::string& name, std::vector<std::string>& names) {
  if (space.kind != FV_SPACE_TUPLE && space.kind != FV_SPACE_DICT) {
    names.push_back(name);
    return;
  }
  for (std::int64_t i = 0; i < space.num_children; ++i) {
    std::string child = name + "[";
    if (space.kind == FV_SPACE_DICT) child.append("'").append(space.keys[i]).append("'");
    else child.append(std::to_string(i));
    name_leaves(*space.children[i], child.append("]"), names);
  }
}

// One array that an env writes, and which fields of fv_io point to it.
struct Column {
  std::string name;
  std::int64_t row_bytes;
  std::int32_t dtype;
};

std::vector<Column> columns_of(const engine::Layout& layout, const fv_spec& spec) {
  std::vector<std::string> names;
  name_leaves(*spec.observation_space, "observation", names);
  std::vector<Column> columns;
  columns.reserve(layout.observations.size() + 3 + 2 * layout.info.size());
  for (std::size_t i = 0; i < layout.observations.size(); ++i) {
    columns.push_back({names[i], layout.observations[i].row_bytes, layout.observations[i].dtype});
  }
  columns.push_back({"reward", sizeof(double), FV_FLOAT64});
  columns.push_back({"terminated", 1, FV_BOOL});
  columns.push_back({"truncated", 1, FV_BOOL});
  for (const engine::InfoLeaf& leaf : layout.info) {
    columns.push_back({"info '" + leaf.name + "'", leaf.row_bytes, leaf.dtype});
    columns.push_back({"mask of info '" + leaf.name + "'", 1, FV_BOOL});
  }
  return columns;
}

// The rows of one call: every column in memory of its own, between guards.
class Rows {
 public:
  Rows(const std::vector<Column>& columns, std::size_t num_observations, std::int64_t rows)
      : columns_(columns), num_observations_(num_observations), rows_(rows) {
    for (const Column& column : columns) {
      const std::int64_t size = column.row_bytes * rows;
      blocks_.emplace_back(static_cast<std::size_t>(size + 2 * kGuard), kMark);
      std::memset(data(blocks_.size() - 1), 0, static_cast<std::size_t>(size));
    }
    for (std::size_t i = 0; i < num_observations; ++i) observations_.push_back(data(i));
    for (std::size_t i = num_observations + 3; i < columns.size(); i += 2) {
      info_.push_back(data(i));
      info_mask_.push_back(reinterpret_cast<std::uint8_t*>(data(i + 1)));
    }
    io_.struct_size = sizeof io_;
    io_.observations = observations_.data();
    io_.rewards = reinterpret_cast<double*>(data(num_observations));
    io_.terminated = flags(1);
    io_.truncated = flags(2);
    io_.info = info_.data();
    io_.info_mask = info_mask_.data();
  }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  fv_io& io() { return io_; }
  std::byte* data(std::size_t column) { return blocks_[column].data() + kGuard; }
  std::uint8_t* flags(std::size_t behind) { return reinterpret_cast<std::uint8_t*>(data(num_observations_ + behind)); }
  void clear_info_masks(std::int64_t row, std::int64_t count) {
    for (std::uint8_t* mask : info_mask_) std::memset(mask + row, 0, static_cast<std::size_t>(count));
  }
  void fill_observations(int value) {
    for (std::size_t i = 0; i < num_observations_; ++i) {
      std::memset(data(i), value, static_cast<std::size_t>(columns_[i].row_bytes * rows_));
    }
  }

  // The first byte of a guard that is not as it was: {column, offset from the rows' begin or past their end}.
  struct Outside {
    std::size_t column;
    std::int64_t at;  // negative: before the rows
  };
  bool find_outside(Outside& found) const {
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const std::byte* const block = blocks_[i].data();
      const std::int64_t size = columns_[i].row_bytes * rows_;
      for (std::int64_t k = 1; k <= kGuard; ++k) {  // from the rows outwards
        const bool before = block[kGuard - k] != kMark;
        if (!before && block[kGuard + size + k - 1] == kMark) continue;
        found = {i, before ? -k : k - 1};
        return true;
      }
    }
    return false;
  }

  // The first number that is infinite or none, if `column` is of floating-point numbers; else -1.
  std::int64_t find_not_finite(std::size_t column) {
    const std::int64_t size = columns_[column].row_bytes * rows_;
    const auto search = [&](auto zero) -> std::int64_t {
      using T = decltype(zero);
      const auto* const values = reinterpret_cast<const T*>(data(column));
      const auto count = size / static_cast<std::int64_t>(sizeof(T));
      for (std::int64_t k = 0; k < count; ++k) {
        if (!std::isfinite(values[k])) return k;
      }
      return -1;
    };
    if (columns_[column].dtype == FV_FLOAT32) return search(0.0f);
    if (columns_[column].dtype == FV_FLOAT64) return search(0.0);
    return -1;
  }

 private:
  const std::vector<Column>& columns_;
  std::size_t num_observations_;
  std::int64_t rows_;
  std::vector<std::vector<std::byte>> blocks_;
  std::vector<void*> observations_, info_;
  std::vector<std::uint8_t*> info_mask_;
  fv_io io_{};
};

// A vector of envs with what the engine would keep for them.
class Envs {
 public:
  Envs(const fv_env_type& type, const engine::Kwargs& kwargs, const ProbePlan& plan)
      : plan_(plan),
        vector_(type, kwargs, plan.num_envs),
        layout_(vector_.spec()),
        columns_(columns_of(layout_, vector_.spec())),
        rngs_(static_cast<std::size_t>(plan.num_envs)),
        pending_(static_cast<std::size_t>(plan.num_envs), 1) {
    for (std::size_t i = 0; i < rngs_.size(); ++i) seed_rng(rngs_[i], plan.seed + i);
  }

  const std::vector<Column>& columns() const { return columns_; }
  std::size_t num_observations() const { return layout_.observations.size(); }
  std::vector<fv_rng>& rngs() { return rngs_; }
  std::uint8_t& pending(std::int64_t env) { return pending_[static_cast<std::size_t>(env)]; }

  // One turn of envs [first, last): those that are pending are reset, the others are stepped. In the first turn all
  // are pending. `context` and `report` take the failures.
  const char* turn(std::int64_t first, std::int64_t last, std::int64_t step, Rows& rows,
                   void (*report)(void*, std::int64_t, std::int32_t, const char*), void* context) {
    fv_io& io = rows.io();
    io.rngs = rngs_.data();
    io.report = report;
    io.report_context = context;
    rows.clear_info_masks(0, last - first);
    const fv_range range{first, last,
                         ((step + plan_.action_batches - 1) % plan_.action_batches) * plan_.num_envs + first, 0};
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
      rows.flags(1)[i - first] = rows.flags(2)[i - first] = 0;
      rows.clear_info_masks(i - first, 1);
    }
    if (waiting > 0) {
      io.actions = nullptr;
      io.resetting = pending_.data();
      vector_.reset(range, io);
    }
    io.resetting = nullptr;
    for (std::int64_t i = first; i < last; ++i) {
      pending(i) = static_cast<std::uint8_t>(rows.flags(1)[i - first] | rows.flags(2)[i - first]);
    }
    return call;
  }

  void observe(std::int64_t first, std::int64_t last, Rows& rows) { vector_.observe({first, last, 0, 0}, rows.io()); }

  // The saved state of an env; empty where it cannot be saved.
  std::vector<std::byte> state(std::int64_t env) {
    std::vector<std::byte> bytes;
    try {
      vector_.save(env, bytes);
    } catch (const engine::EnvFailures&) {
      bytes.clear();
    }
    return bytes;
  }

 private:
  const ProbePlan& plan_;
  engine::EnvVector vector_;
  engine::Layout layout_;
  std::vector<Column> columns_;
  std::vector<fv_rng> rngs_;
  std::vector<std::uint8_t> pending_;
};

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void tell(const ProbePlan& plan, std::int64_t step) {
  if (plan.progress == nullptr) return;
  plan.progress[1] = step;
  plan.progress[0] += 1;
}

// Watches the calls of run_guarded.
class Guard {
 public:
  Guard(Envs& envs, std::int64_t num_envs, ProbeReport& report) : envs_(envs), num_envs_(num_envs), report_(report) {}

  void turn(std::int64_t first, std::int64_t last, std::int64_t step, Rows& rows) {
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

  bool look_outside(const char* call, const Rows& rows) {
    Rows::Outside found{};
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
  void look_at_writes(std::int64_t first, std::int64_t last, Rows& rows) {
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

  Envs& envs_;
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

std::uint32_t digest(const std::byte* bytes, std::int64_t size) {
  std::uint64_t hash = 0x9E3779B97F4A7C15u;
  for (std::int64_t i = 0; i < size; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + i, static_cast<std::size_t>(std::min<std::int64_t>(8, size - i)));
    hash = (hash ^ word) * 0xD6E8FEB86659FD93u;
    hash ^= hash >> 32;
  }
  return static_cast<std::uint32_t>(hash);
}

}  // namespace

ProbeReport run_guarded(const fv_env_type& type, const engine::Kwargs& kwargs, const ProbePlan& plan,
                        std::int64_t envs_per_call) {
  Envs envs(type, kwargs, plan);
  ProbeReport report;
  Guard guard(envs, plan.num_envs, report);
  std::vector<std::unique_ptr<Rows>> rows;  // of each call of a turn
  for (std::int64_t first = 0; first < plan.num_envs; first += envs_per_call) {
    const std::int64_t last = std::min(first + envs_per_call, plan.num_envs);
    rows.push_back(std::make_unique<Rows>(envs.columns(), envs.num_observations(), last - first));
  }
  const Clock::time_point start = Clock::now();
  for (std::int64_t step = 0; step <= plan.steps; ++step) {
    for (std::size_t call = 0; call < rows.size(); ++call) {
      const std::int64_t first = static_cast<std::int64_t>(call) * envs_per_call;
      tell(plan, step);
      guard.turn(first, std::min(first + envs_per_call, plan.num_envs), step, *rows[call]);
      if (guard.stopped()) return report;
    }
    report.steps = step;
    if (step % 16 == 15 && seconds_since(start) > plan.seconds) break;
  }
  return report;
}

ProbeDigests run_apart(const fv_env_type& type, const engine::Kwargs& kwargs, const ProbePlan& plan, int num_threads) {
  Envs envs(type, kwargs, plan);
  ProbeDigests result;
  for (const Column& column : envs.columns()) result.columns.push_back(column.name);
  const auto num_columns = static_cast<std::int64_t>(result.columns.size());
  result.values.resize(static_cast<std::size_t>((plan.steps + 1) * plan.num_envs * num_columns));
  // Each flag that a thread waits for is released by the last one to arrive: then all begin at once.
  std::atomic<int> waiting{num_threads};
  std::atomic<bool> go{false};
  const auto loop = [&](int index) {
    const std::int64_t first = plan.num_envs * index / num_threads;
    const std::int64_t last = plan.num_envs * (index + 1) / num_threads;
    Rows rows(envs.columns(), envs.num_observations(), 1);
    waiting.fetch_sub(1, std::memory_order_acq_rel);
    while (!go.load(std::memory_order_acquire)) std::this_thread::yield();
    for (std::int64_t step = 0; step <= plan.steps; ++step) {
      if (index == 0) tell(plan, step);
      for (std::int64_t env = first; env < last; ++env) {
        bool failed = false;
        envs.turn(
            env, env + 1, step, rows,
            [](void* context, std::int64_t, std::int32_t, const char*) { *static_cast<bool*>(context) = true; },
            &failed);
        if (failed) envs.pending(env) = 1;
        for (std::int64_t k = 0; k < num_columns; ++k) {
          const auto column = static_cast<std::size_t>(k);
          const auto infos = static_cast<std::int64_t>(envs.num_observations()) + 3;
          const bool is_info = k >= infos && (k - infos) % 2 == 0;
          const bool counts = !failed && (!is_info || *rows.data(column + 1) != std::byte{0});
          const auto at = static_cast<std::size_t>((step * plan.num_envs + env) * num_columns + k);
          result.values[at] = counts ? digest(rows.data(column), envs.columns()[column].row_bytes) : 0;
        }
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < num_threads; ++i) threads.emplace_back(loop, i);
  while (waiting.load(std::memory_order_acquire) != 1) std::this_thread::yield();
  const Clock::time_point start = Clock::now();
  go.store(true, std::memory_order_release);
  loop(0);
  for (std::thread& thread : threads) thread.join();
  result.nanoseconds = 1e9 * seconds_since(start);
  return result;
}

}  // namespace fastvec::tools
