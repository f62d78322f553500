// A reset or step of the whole vector that was begun and not waited for yet: everything that it reads and writes.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "actions.hpp"
#include "buffer_ring.hpp"
#include "engine/engine.hpp"
#include "out_arrays.hpp"

namespace fastvec::bindings {

// Holds Python objects: made and destroyed with the GIL. It stays where it is while a thread is at work on it.
struct PendingBatch {
  PendingBatch(engine::Engine& owner, BatchBuffer& memory) : engine(owner), buffer(memory), view(memory.view()) {}

  // Writes to the caller's arrays in place of the buffer's.
  void write_to(OutArrays arrays);
  // Runs without the GIL.
  static void run(void* batch, const engine::StopCheck& stop);

  engine::Engine& engine;
  BatchBuffer& buffer;
  engine::BatchView view;
  OutArrays given;
  std::optional<Actions> actions;  // a step's; none: it is a reset
  std::optional<engine::ResetOptions> options;
  std::optional<std::vector<std::uint8_t>> mask;
  bool is_overdue = false;  // it was waited for in vain: other calls may come before it is waited for again

  const char* name() const { return actions ? "step" : "reset"; }
};

}  // namespace fastvec::bindings
