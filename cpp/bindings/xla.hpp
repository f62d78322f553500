// fastvec._core's part for XLA: the handlers as capsules, envs as functions, and the port of a VectorCore. See cpp/jax.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>

#include "jax/port.hpp"
#include "vector_core.hpp"

namespace fastvec::bindings {

// How XLA gets into a VectorCore: as its callers from Python do, one at a time, but without the GIL.
class VectorCore::XlaPort final : public jax::Port {
 public:
  explicit XlaPort(VectorCore& core) : core_(&core) {}

  void enter(const char* what, bool beside_flying) override;
  void leave() noexcept override;
  engine::Engine& engine() override { return *core_->engine_; }
  engine::AsyncRunner* runner() override { return core_->runner_.get(); }

  // Waits for a call under way; from then on the vector is gone. To be called without the GIL.
  void detach();

 private:
  std::mutex mutex_;  // held during a call, and by `detach`
  VectorCore* core_;  // null: gone
};

void register_xla(pybind11::module_& module);

}  // namespace fastvec::bindings
