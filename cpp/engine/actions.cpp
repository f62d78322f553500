#include "engine/actions.hpp"

#include <string>

#include "engine/errors.hpp"

namespace fastvec::engine {

namespace {

// Whether all of `count` values lie in [start, start + n), by one pass without branches: with u = value - start, the
// sign bit of (n - 1 - u) | u is set exactly if u is not in [0, n).
bool all_within(const std::int64_t* values, std::int64_t count, std::int64_t start, std::int64_t n) {
  std::uint64_t outside = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint64_t u = static_cast<std::uint64_t>(values[i]) - static_cast<std::uint64_t>(start);
    outside |= (static_cast<std::uint64_t>(n - 1) - u) | u;
  }
  return (outside >> 63) == 0;
}

// The space of some rows of actions, and whose they are.
struct Rows {
  const Leaf& leaf;
  const std::uint8_t* pending;
  const std::int64_t* envs;
  std::int64_t count;

  // Refuses the action of a row, unless its env is pending.
  void refuse(std::int64_t row, std::int64_t got, std::int64_t first, std::int64_t last) const {
    const std::int64_t env = envs == nullptr ? row : envs[row];
    if (pending[env] != 0) return;
    throw EngineError(Fault::kInvalidAction, "expected actions from " + std::to_string(first) + " to " +
                                                 std::to_string(last) + ", got " + std::to_string(got) + " for env " +
                                                 std::to_string(env));
  }
};

void check_each_discrete(const Rows& rows, const std::int64_t* values) {
  const fv_space& space = *rows.leaf.space;
  for (std::int64_t row = 0; row < rows.count; ++row) {
    if (all_within(values + row, 1, space.start, space.n)) continue;
    rows.refuse(row, values[row], space.start, space.start + space.n - 1);
  }
}

void check_multi_discrete(const Rows& rows, const std::int64_t* values) {
  const std::int64_t width = rows.leaf.row_bytes / static_cast<std::int64_t>(sizeof(std::int64_t));
  const std::int64_t* const sizes = rows.leaf.space->nvec;
  for (std::int64_t row = 0; row < rows.count; ++row) {
    for (std::int64_t k = 0; k < width; ++k) {
      const std::int64_t value = values[row * width + k];
      if (value < 0 || value >= sizes[k]) rows.refuse(row, value, 0, sizes[k] - 1);
    }
  }
}

void check_multi_binary(const Rows& rows, const std::int8_t* values) {
  const std::int64_t width = rows.leaf.row_bytes;
  for (std::int64_t at = 0; at < rows.count * width; ++at) {
    if ((values[at] & ~1) != 0) rows.refuse(at / width, values[at], 0, 1);
  }
}

}  // namespace

void check_actions(const Layout& layout, const std::uint8_t* pending, const ActionView& actions,
                   const std::int64_t* envs, std::int64_t rows) {
  for (std::size_t i = 0; i < layout.actions.size(); ++i) {
    const Leaf& leaf = layout.actions[i];
    const fv_space& space = *leaf.space;
    const void* const values = actions.leaves[i];
    if (space.kind == FV_SPACE_DISCRETE) {
      const auto* discrete = static_cast<const std::int64_t*>(values);
      if (!all_within(discrete, rows, space.start, space.n)) check_each_discrete({leaf, pending, envs, rows}, discrete);
    } else if (space.kind == FV_SPACE_MULTI_DISCRETE) {
      check_multi_discrete({leaf, pending, envs, rows}, static_cast<const std::int64_t*>(values));
    } else if (space.kind == FV_SPACE_MULTI_BINARY) {
      check_multi_binary({leaf, pending, envs, rows}, static_cast<const std::int8_t*>(values));
    }
  }
}

}  // namespace fastvec::engine
