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

// Refuses an env's action, unless the env is pending.
class Judge {
 public:
  Judge(const Episodes& episodes, const std::int64_t* envs) : episodes_(episodes), envs_(envs) {}

  void refuse(std::int64_t row, std::int64_t got, std::int64_t first, std::int64_t last) const {
    const std::int64_t env = envs_ == nullptr ? row : envs_[row];
    if (episodes_.is_pending(env)) return;
    throw EngineError(Fault::kInvalidAction, "expected actions from " + std::to_string(first) + " to " +
                                                 std::to_string(last) + ", got " + std::to_string(got) + " for env " +
                                                 std::to_string(env));
  }

 private:
  const Episodes& episodes_;
  const std::int64_t* envs_;
};

void check_discrete(const fv_space& space, const std::int64_t* values, std::int64_t rows, const Judge& judge) {
  if (all_within(values, rows, space.start, space.n)) return;
  for (std::int64_t row = 0; row < rows; ++row) {
    if (all_within(values + row, 1, space.start, space.n)) continue;
    judge.refuse(row, values[row], space.start, space.start + space.n - 1);
  }
}

void check_multi_discrete(const Leaf& leaf, const std::int64_t* values, std::int64_t rows, const Judge& judge) {
  const std::int64_t width = leaf.row_bytes / static_cast<std::int64_t>(sizeof(std::int64_t));
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t k = 0; k < width; ++k) {
      const std::int64_t value = values[row * width + k];
      if (value < 0 || value >= leaf.space->nvec[k]) judge.refuse(row, value, 0, leaf.space->nvec[k] - 1);
    }
  }
}

void check_multi_binary(const Leaf& leaf, const std::int8_t* values, std::int64_t rows, const Judge& judge) {
  for (std::int64_t at = 0; at < rows * leaf.row_bytes; ++at) {
    if ((values[at] & ~1) != 0) judge.refuse(at / leaf.row_bytes, values[at], 0, 1);
  }
}

}  // namespace

void check_actions(const Layout& layout, const Episodes& episodes, const ActionView& actions, const std::int64_t* envs,
                   std::int64_t rows) {
  const Judge judge(episodes, envs);
  for (std::size_t i = 0; i < layout.actions.size(); ++i) {
    const Leaf& leaf = layout.actions[i];
    const void* const values = actions.leaves[i];
    switch (leaf.space->kind) {
      case FV_SPACE_DISCRETE: check_discrete(*leaf.space, static_cast<const std::int64_t*>(values), rows, judge); break;
      case FV_SPACE_MULTI_DISCRETE:
        check_multi_discrete(leaf, static_cast<const std::int64_t*>(values), rows, judge);
        break;
      case FV_SPACE_MULTI_BINARY: check_multi_binary(leaf, static_cast<const std::int8_t*>(values), rows, judge); break;
      default: break;
    }
  }
}

}  // namespace fastvec::engine
