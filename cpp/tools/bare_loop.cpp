#include "tools/bare_loop.hpp"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "fastvec/rng.hpp"

namespace fastvec::tools {

double run_bare_loop(const fv_env_type& type, const engine::Kwargs& kwargs, std::int64_t num_envs, int num_threads,
                     std::int64_t steps, const void* const* actions, std::int64_t batches) {
  engine::EnvVector envs(type, kwargs, num_envs);
  const engine::Layout layout(envs.spec());
  const engine::BatchMemory memory(layout, num_envs);
  const engine::BatchView& view = memory.view();
  std::vector<fv_rng> rngs(static_cast<std::size_t>(num_envs));
  for (std::size_t i = 0; i < rngs.size(); ++i) seed_rng(rngs[i], static_cast<std::uint64_t>(i));
  std::vector<std::int64_t> elapsed(static_cast<std::size_t>(num_envs));
  std::vector<std::uint8_t> finished(static_cast<std::size_t>(num_envs));
  const std::int64_t limit = envs.spec().max_episode_steps;

  fv_io io = engine::io_of(view, rngs.data());
  io.report = [](void*, std::int64_t, std::int32_t, const char*) {};
  envs.reset({0, num_envs, 0, 0}, io);

  std::atomic<int> waiting{num_threads};
  std::atomic<bool> go{false};
  const auto loop = [&](int index) {
    const std::int64_t first = num_envs * index / num_threads;
    const std::int64_t last = num_envs * (index + 1) / num_threads;
    fv_io own = io;
    std::vector<const void*> current(layout.actions.size());
    own.actions = current.data();
    waiting.fetch_sub(1, std::memory_order_acq_rel);
    while (!go.load(std::memory_order_acquire)) std::this_thread::yield();
    for (std::int64_t step = 0; step < steps; ++step) {
      for (std::size_t i = 0; i < current.size(); ++i) {
        current[i] =
            static_cast<const std::byte*>(actions[i]) + (step % batches) * num_envs * layout.actions[i].row_bytes;
      }
      const fv_range range{first, last, first, first};
      envs.step(range, own);
      bool any = false;
      for (std::int64_t i = first; i < last; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const bool over = (view.terminated[i] | view.truncated[i]) != 0 || elapsed[at] + 1 == limit;
        elapsed[at] = over ? 0 : elapsed[at] + 1;
        finished[at] = over ? 1 : 0;
        any = any || over;
      }
      if (!any) continue;
      own.resetting = finished.data();
      envs.reset(range, own);
      own.resetting = nullptr;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < num_threads; ++i) threads.emplace_back(loop, i);
  while (waiting.load(std::memory_order_acquire) != 1) std::this_thread::yield();
  const auto begin = std::chrono::steady_clock::now();
  go.store(true, std::memory_order_release);
  loop(0);
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
  return took.count();
}

}  // namespace fastvec::tools
