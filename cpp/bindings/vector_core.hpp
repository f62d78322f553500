// fastvec._core.VectorCore: the native half of fastvec.VectorEnv.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "buffer_ring.hpp"
#include "describe.hpp"
#include "engine/async.hpp"
#include "engine/background.hpp"
#include "engine/engine.hpp"
#include "pending_batch.hpp"
#include "platform/fork.hpp"
#include "results.hpp"

namespace fastvec::bindings {

struct CoreOptions {
  std::int64_t num_envs = 1;
  int num_threads = 1;
  bool pin_threads = false;
  int autoreset_mode = 0;  // engine::AutoresetMode
  std::int64_t max_episode_steps = -1;
  bool copy = true;
  std::int64_t batch_size = 1;
  std::string action_kinds;  // NumPy's kinds of dtypes that are taken; empty: all that fit
};

// One caller at a time, in the process that made it, and nothing touches envs that threads are stepping: every call
// begins with a `Call`, which refuses the rest.
class VectorCore {
 public:
  VectorCore(const EnvType& type, const pybind11::list& kwargs, const CoreOptions& options,
             std::shared_ptr<platform::Home> home);  // null: one of its own
  ~VectorCore();

  // Seeds generators before the first reset; arguments as for reset.
  void seed(const pybind11::object& seeds, const pybind11::object& seed_mask);
  // (observations, info). `seeds`: uint32 words of shape (num_envs, words) with `seed_mask` saying which
  // rows count, or None; `mask`: bool per env or None; `options`: [(index, value)...] or None.
  pybind11::tuple reset(const pybind11::object& seeds, const pybind11::object& seed_mask, const pybind11::object& mask,
                        const pybind11::object& options, const pybind11::object& out);
  // (observations, rewards, terminations, truncations, info).
  pybind11::tuple step(pybind11::handle actions, pybind11::handle out);
  // The same begun on a thread of its own; the actions are copied. `finish` waits for it and returns what they return;
  // after `timeout` seconds it raises CallTimeoutError, and can be called again. A call of another kind is refused with
  // AlreadyPendingCallError meanwhile, or, after `finish` was called in vain, waits for the batch and drops it.
  void start_reset(const pybind11::object& seeds, const pybind11::object& seed_mask, const pybind11::object& mask,
                   const pybind11::object& options, const pybind11::object& out);
  void start_step(pybind11::handle actions, pybind11::handle out);
  pybind11::tuple finish(std::optional<double> timeout);
  // Refuses all calls as if a call of this name were pending, until the empty name.
  void hold(std::string name);
  void async_reset(const pybind11::object& seeds, const pybind11::object& seed_mask, const pybind11::object& mask,
                   const pybind11::object& options);
  void send(pybind11::handle actions, const pybind11::array_t<std::int64_t>& envs);
  pybind11::tuple recv(std::optional<double> timeout, std::int64_t count);
  std::int64_t in_flight() const { return runner_ ? runner_->in_flight() : 0; }

  pybind11::bytes save_state(const pybind11::array_t<std::int64_t>& envs);
  void load_state(const pybind11::array_t<std::int64_t>& envs, const pybind11::bytes& data, int format);
  pybind11::bytes save_env(std::int64_t env);  // the env's own bytes only
  void load_env(std::int64_t env, const pybind11::bytes& data);
  pybind11::tuple rng_state(std::int64_t env);
  void set_rng_state(std::int64_t env, std::uint64_t state_high, std::uint64_t state_low, std::uint64_t increment_high,
                     std::uint64_t increment_low, std::uint32_t has_uint32, std::uint32_t uint32);
  std::int64_t elapsed_steps(std::int64_t env);
  void set_elapsed_steps(std::int64_t env, std::int64_t steps);
  // Steps, one per env: see Engine::time_limit.
  pybind11::array_t<std::int32_t> time_limits();
  void set_time_limits(const pybind11::array_t<std::int32_t>& steps);
  bool time_limits_were_set() const { return engine().episodes().time_limits_were_set(); }
  // One value per env. A refused value is a ValueError that names the env, and nothing is changed.
  pybind11::array_t<double> parameter(std::int64_t parameter);
  void set_parameter(std::int64_t parameter, const pybind11::array_t<double>& values);
  bool parameters_were_set() const { return engine().envs().parameters_were_set(); }
  pybind11::array render(std::int64_t env);
  void close();

  // (id, number of the last call) of the newest handle with which XLA may step these envs: see jax/port.hpp.
  std::pair<std::uint32_t, std::uint32_t> xla_handle();

  Spec spec() const { return describe_spec(engine().spec()); }
  std::int64_t max_episode_steps() const;
  bool can_render() const;
  std::int64_t bytes_per_env();
  int num_threads() const;
  double nanoseconds_per_env();

 private:
  class Call;     // one call under way
  class XlaPort;  // XLA's way in

  engine::Engine& engine() const;
  void free_engine();
  void remove_port();
  void start(std::unique_ptr<PendingBatch> batch);
  void drop_pending();
  void apply_seeds(const pybind11::object& seeds, const pybind11::object& seed_mask);
  std::int64_t checked_parameter(std::int64_t parameter) const;
  std::vector<std::int64_t> checked_envs(const pybind11::array_t<std::int64_t>& envs) const;
  std::int64_t checked_env(std::int64_t env) const;

  CoreOptions options_;
  std::shared_ptr<platform::Home> home_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<BufferRing> buffers_;
  std::unique_ptr<BufferRing> async_buffers_;
  std::unique_ptr<engine::AsyncRunner> runner_;
  std::unique_ptr<engine::Background> background_;
  std::unique_ptr<PendingBatch> pending_;  // at work in `background_`, or done there
  std::string held_;
  std::unique_ptr<Results> results_;
  // True during a call. Whoever gets it false owns all of the above until he sets it so: acquire and release, since a
  // caller of XLA's has no GIL.
  std::atomic<bool> in_use_{false};
  std::shared_ptr<XlaPort> port_;  // null: nobody has asked for a handle
  std::uint32_t port_id_ = 0;
};

void register_vector_core(pybind11::module_& module);

}  // namespace fastvec::bindings
