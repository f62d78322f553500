// Envs of plain state as functions: what has to be known to step envs whose states lie in somebody else's arrays.
//
// A PureEnv is an env type with its keyword arguments, time limit and autoreset mode. It never changes, and lives as
// long as the process: compiled functions have its key in them. Threads: any number may step different states at once.
//
// The state of a batch of envs is four arrays, in this order, with a row for each env: its bytes (uint8), its generator
// (fv_rng, as ten uint32), the steps of its episode (int32), and whether it is pending (bool).
//
//   fastvec_pure_reset(entropy)                  -> state, rows   entropy: uint32 words of each env's seed, low first
//   fastvec_pure_reset_where(state, mask)        -> state, rows   mask: which envs are to be reset
//   fastvec_pure_step(state, actions...)         -> state, rows
//
// `rows` are one array per leaf of: observations, rewards, terminated, truncated, for each info field its values and
// their mask; and with SameStep of the episodes that ended: their mask, observations, and info fields in the same way.
// All take the key as the attribute "env". Leading dimensions of any number count as one: envs are independent of one
// another. Numbers of 64 bits may be arrays of 32 bits, as JAX has them unless it is told otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/batch.hpp"
#include "engine/scheduler.hpp"
#include "engine/thread_pool.hpp"
#include "platform/fork.hpp"

namespace fastvec::jax {

class PureEnv {
 public:
  // Throws as EnvVector does, and EngineError(kInvalidArgument) for a type whose state is not plain.
  PureEnv(const fv_env_type& type, const engine::Kwargs& kwargs, std::int64_t max_episode_steps,
          engine::AutoresetMode autoreset, int num_threads);

  engine::EnvVector& envs() { return envs_; }  // one env, never stepped
  const engine::Layout& layout() const { return layout_; }
  engine::AutoresetMode autoreset() const { return autoreset_; }
  std::int32_t time_limit() const { return time_limit_; }                   // 0: none
  const std::vector<std::byte>& initial_state() const { return initial_; }  // of an env that was never reset

  // Calls `function` for all of [0, count) in ranges, on several threads where that pays and nobody else does so now.
  void run(std::int64_t count, engine::RangeFunction function, void* context);

 private:
  engine::EnvVector envs_;
  engine::Layout layout_;
  engine::AutoresetMode autoreset_;
  std::int32_t time_limit_;
  std::vector<std::byte> initial_;
  int num_threads_;
  platform::Home home_;
  std::mutex pool_mutex_;  // guards what follows; who does not get it at once does without
  std::unique_ptr<engine::ThreadPool> pool_;
  engine::Scheduler scheduler_;
};

// Whether the states of the envs of a type are plain: fv_env_type::plain_state_size.
bool is_plain(const fv_env_type& type);

// The env of a key; null if this process made none.
PureEnv* find_pure_env(std::int64_t key);
// Keeps an env for the rest of the process. With a key that is taken already, the env that has it stays.
PureEnv& keep_pure_env(std::int64_t key, std::unique_ptr<PureEnv> env);

}  // namespace fastvec::jax
