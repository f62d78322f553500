// A vector of envs that XLA may step: the effectful form, where a handle goes through the computation.
//
// A handle is two uint32: the port's id, and the number of calls that it has had. A call takes the newest handle and
// returns the next one, so calls are made in the order of their handles, and one that is left over from before is an
// error. It is no pointer: a handle of another process or of a vector that is gone is an error too.
//
//   fastvec_reset(handle, entropy, seeded, mask) -> handle, rows   each but the handle may be empty: no seeds, all envs
//   fastvec_step(handle, actions...)             -> handle, rows
//   fastvec_send(handle, envs, actions...)       -> handle         envs: int32 or int64
//   fastvec_recv(handle)                         -> handle, rows, envs
//
// `rows` as in pure_env.hpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/async.hpp"
#include "engine/engine.hpp"

namespace fastvec::jax {

// Refused before any env was touched. The message is for users.
class PortError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The owner of the envs implements it. All calls are made by one thread at a time, without the GIL.
class Port {
 public:
  virtual ~Port() = default;

  // Begins a call: nobody else is let in until `leave`. `what`: its name. `beside_flying`: envs may be in flight.
  // Throws PortError, and then there is nothing to leave: the vector is closed or in use, or the process another one.
  virtual void enter(const char* what, bool beside_flying) = 0;
  virtual void leave() noexcept = 0;

  // During a call.
  virtual engine::Engine& engine() = 0;
  virtual engine::AsyncRunner* runner() = 0;  // null: no env was handed in yet

  // The number of the last call: the second half of the handle that is valid. Read and written during a call, or
  // before the first one.
  std::uint32_t sequence = 0;
};

// The id by which handlers find the port, never 0, until it is removed.
std::uint32_t add_port(std::shared_ptr<Port> port);
void remove_port(std::uint32_t id);
std::shared_ptr<Port> find_port(std::uint32_t id);

}  // namespace fastvec::jax
