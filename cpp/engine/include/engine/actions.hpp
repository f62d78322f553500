// The actions of a batch: where they lie, and whether they lie in their space.
#pragma once

#include <cstdint>

#include "engine/layout.hpp"

namespace fastvec::engine {

// A batch of actions in memory of somebody else's.
struct ActionView {
  const void* const* leaves = nullptr;  // one array per action leaf
  bool are_float64 = false;             // Box leaves declared float32 hold float64 (fv_spec::accepts_float64_actions)
};

// Throws EngineError(kInvalidAction) for the first of `rows` actions outside its space. `envs[k]` is the env of row k
// (null: k itself). Boxes are not checked, as Gymnasium does not; envs whose `pending` is 1 may get any action.
void check_actions(const Layout& layout, const std::uint8_t* pending, const ActionView& actions,
                   const std::int64_t* envs, std::int64_t rows);

}  // namespace fastvec::engine
