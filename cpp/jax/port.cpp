#include "jax/port.hpp"

#include <map>
#include <mutex>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "call.hpp"
#include "engine/batch_rows.hpp"
#include "jax/handlers.hpp"

namespace fastvec::jax {

namespace {

struct PortTable {
  std::mutex mutex;
  std::map<std::uint32_t, std::shared_ptr<Port>> ports;
  // Where ids begin differs from process to process, so that a handle that was saved in another one names no port here.
  std::uint32_t next = std::random_device()();
};
PortTable& port_table() {
  static PortTable& kept = *new PortTable;  // threads of XLA may ask while the process ends
  return kept;
}

// A call on a port, from the handle that it was given to the one that it returns.
class PortCall {
 public:
  PortCall(Call& call, std::string& env_id, const char* what, bool beside_flying) {
    const ffi::Buffer& handle = call.argument(ffi::kU32, "handle");
    require_elements(handle, 2, "handle");
    const auto* const words = static_cast<const std::uint32_t*>(handle.data);
    id_ = words[0];
    port_ = find_port(id_);
    if (port_ == nullptr) {
      throw CallError(
          ffi::kNotFound,
          "this handle is of a vector env that is gone, or of another process: call envs.xla() for another");
    }
    port_->enter(what, beside_flying);
    env_id = port_->engine().envs().type().id;
    if (words[1] != port_->sequence) {
      const std::string got = std::to_string(words[1]), expected = std::to_string(port_->sequence);
      port_->leave();
      throw CallError(ffi::kFailedPrecondition,
                      std::string(what) + ": stale handle: expected that of call " + expected + ", got that of call " +
                          got + "; pass on the handle that each call returns, or call envs.xla() for a new one");
    }
  }
  ~PortCall() { port_->leave(); }
  PortCall(const PortCall&) = delete;
  PortCall& operator=(const PortCall&) = delete;

  engine::Engine& engine() const { return port_->engine(); }
  Port& port() const { return *port_; }

  // The first result: the handle of the next call.
  void take_handle(Call& call) {
    ffi::Buffer& handle = call.result(ffi::kU32, "handle");
    require_elements(handle, 2, "handle");
    next_ = static_cast<std::uint32_t*>(handle.data);
  }
  // Envs are about to change: the handle that was given is not valid any more.
  void advance() {
    ++port_->sequence;
    next_[0] = id_;
    next_[1] = port_->sequence;
  }

 private:
  std::uint32_t id_ = 0;
  std::shared_ptr<Port> port_;
  std::uint32_t* next_ = nullptr;
};

const std::uint8_t* mask_of(Call& call, std::int64_t num_envs, const char* what) {
  const ffi::Buffer& mask = call.argument(ffi::kPred, what);
  if (num_elements(mask) == 0) return nullptr;
  require_elements(mask, num_envs, what);
  return static_cast<const std::uint8_t*>(mask.data);
}

void reset_port(Call& call, std::string& env_id) {
  PortCall port(call, env_id, "reset", false);
  engine::Engine& engine = port.engine();
  const std::int64_t rows = engine.num_envs();
  const ffi::Buffer& entropy = call.argument(ffi::kU32, "entropy");
  const std::int64_t words = num_elements(entropy) / rows;
  require_elements(entropy, words * rows, "entropy");
  const std::uint8_t* const seeded = mask_of(call, rows, "seeded");
  const std::uint8_t* const mask = mask_of(call, rows, "mask");
  port.take_handle(call);
  const engine::BatchView& view = call.rows(engine.layout(), rows);
  call.require_all_taken();
  call.clear_rewards(rows);
  port.advance();
  if (words != 0) {
    engine.seed({static_cast<const std::uint32_t*>(entropy.data), static_cast<std::size_t>(words * rows)},
                static_cast<std::size_t>(words), seeded);
  }
  engine.reset(mask, nullptr, view, {});
  call.finish();
}

// What SameStep adds: a copy of the engine's own rows.
void copy_final(const engine::Engine& engine, const std::int64_t* envs, std::int64_t rows, std::uint8_t* mask,
                const engine::BatchView& to) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t env = envs == nullptr ? row : envs[row];
    if (engine.final_mask()[env] == 0) continue;
    mask[row] = 1;
    engine::copy_observation_and_info(engine.layout(), engine.final_batch(), env, to, row);
  }
}

bool is_same_step(const engine::Engine& engine) {
  return engine.options().autoreset == engine::AutoresetMode::kSameStep;
}

void step_port(Call& call, std::string& env_id) {
  PortCall port(call, env_id, "step", false);
  engine::Engine& engine = port.engine();
  const std::int64_t rows = engine.num_envs();
  const engine::ActionView actions = call.actions(engine.layout(), engine.spec().accepts_float64_actions != 0, rows);
  port.take_handle(call);
  const engine::BatchView& view = call.rows(engine.layout(), rows);
  engine::BatchView final_view;
  std::uint8_t* const mask = is_same_step(engine) ? call.final_rows(engine.layout(), rows, final_view) : nullptr;
  call.require_all_taken();
  engine.check_step(actions);
  port.advance();
  engine.step(actions, view, {});
  if (mask != nullptr) copy_final(engine, nullptr, rows, mask, final_view);
  call.finish();
}

void send(Call& call, std::string& env_id) {
  PortCall port(call, env_id, "send", true);
  engine::Engine& engine = port.engine();
  const ffi::Buffer& ids = call.argument(0, "env_ids");
  const std::int64_t count = num_elements(ids);
  std::vector<std::int64_t> envs(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    if (ids.dtype == ffi::kS64) envs[static_cast<std::size_t>(i)] = static_cast<const std::int64_t*>(ids.data)[i];
    else if (ids.dtype == ffi::kS32) envs[static_cast<std::size_t>(i)] = static_cast<const std::int32_t*>(ids.data)[i];
    else throw CallError(ffi::kInvalidArgument, "env_ids: expected int32 or int64");
  }
  const engine::ActionView actions = call.actions(engine.layout(), engine.spec().accepts_float64_actions != 0, count);
  port.take_handle(call);
  call.require_all_taken();
  if (port.port().runner() == nullptr) {
    throw PortError("send: expected envs that were reset, got none; call envs.async_reset() first");
  }
  port.port().runner()->step(envs, actions);
  port.advance();
}

void recv(Call& call, std::string& env_id) {
  PortCall port(call, env_id, "recv", true);
  engine::Engine& engine = port.engine();
  port.take_handle(call);
  ffi::Buffer& ids = call.result(0, "env_ids");
  const std::int64_t count = num_elements(ids);
  const engine::BatchView& view = call.rows(engine.layout(), count);
  engine::BatchView final_view;
  std::uint8_t* const mask = is_same_step(engine) ? call.final_rows(engine.layout(), count, final_view) : nullptr;
  call.require_all_taken();
  if (port.port().runner() == nullptr) {
    throw PortError("recv: expected envs in flight, got none; call envs.async_reset() first");
  }
  if (port.port().runner()->in_flight() >= count) port.advance();  // else it is refused
  std::vector<std::int64_t> envs(static_cast<std::size_t>(count));
  port.port().runner()->receive(count, std::nullopt, view, envs.data(), {});
  if (mask != nullptr) copy_final(engine, envs.data(), count, mask, final_view);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t env = envs[static_cast<std::size_t>(i)];
    if (ids.dtype == ffi::kS64) static_cast<std::int64_t*>(ids.data)[i] = env;
    else static_cast<std::int32_t*>(ids.data)[i] = static_cast<std::int32_t>(env);
  }
  call.finish();
}

constexpr NamedHandler kPortHandlers[] = {
    {"fastvec_reset", [](ffi::CallFrame* frame) { return handle(frame, reset_port); }},
    {"fastvec_step", [](ffi::CallFrame* frame) { return handle(frame, step_port); }},
    {"fastvec_send", [](ffi::CallFrame* frame) { return handle(frame, send); }},
    {"fastvec_recv", [](ffi::CallFrame* frame) { return handle(frame, recv); }},
};

}  // namespace

std::span<const NamedHandler> port_handlers() { return kPortHandlers; }

std::uint32_t add_port(std::shared_ptr<Port> port) {
  PortTable& all = port_table();
  const std::lock_guard lock(all.mutex);
  while (all.next == 0 || all.ports.contains(all.next)) ++all.next;
  all.ports.emplace(all.next, std::move(port));
  return all.next++;
}

void remove_port(std::uint32_t id) {
  PortTable& all = port_table();
  const std::lock_guard lock(all.mutex);
  all.ports.erase(id);
}

std::shared_ptr<Port> find_port(std::uint32_t id) {
  PortTable& all = port_table();
  const std::lock_guard lock(all.mutex);
  const auto found = all.ports.find(id);
  return found == all.ports.end() ? nullptr : found->second;
}

}  // namespace fastvec::jax
