#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <thread>

#include "guarded_rows.hpp"
#include "platform/clock.hpp"
#include "probed_envs.hpp"
#include "tools/probe.hpp"

namespace fastvec::tools {

namespace {

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

ProbeDigests run_apart(const fv_env_type& type, const engine::Kwargs& kwargs, const ProbePlan& plan, int num_threads) {
  ProbedEnvs envs(type, kwargs, plan);
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
    GuardedRows rows(envs.columns(), envs.num_observations(), 1);
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
  const std::int64_t start = platform::now_ns();
  go.store(true, std::memory_order_release);
  loop(0);
  for (std::thread& thread : threads) thread.join();
  result.nanoseconds = static_cast<double>(platform::now_ns() - start);
  return result;
}

}  // namespace fastvec::tools
