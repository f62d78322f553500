// The functions that XLA calls, by the names under which JAX knows them.
//
// None of them needs Python. An error is returned to XLA, which fails the whole computation with its message.
#pragma once

#include <span>

#include "jax/ffi.hpp"

namespace fastvec::jax {

struct NamedHandler {
  const char* name;
  ffi::Handler handler;
};

// fastvec_pure_reset, fastvec_pure_reset_where, fastvec_pure_step: see pure_env.hpp.
// fastvec_reset, fastvec_step, fastvec_send, fastvec_recv: see port.hpp.
std::span<const NamedHandler> pure_handlers();
std::span<const NamedHandler> port_handlers();

}  // namespace fastvec::jax
