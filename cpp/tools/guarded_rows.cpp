#include "guarded_rows.hpp"

#include <cmath>
#include <cstring>

namespace fastvec::tools {

namespace {

constexpr std::byte kMark{0xA7};

void name_leaves(const fv_space& space, const std::string& name, std::vector<std::string>& names) {
  if (space.kind != FV_SPACE_TUPLE && space.kind != FV_SPACE_DICT) {
    names.push_back(name);
    return;
  }
  for (std::int64_t i = 0; i < space.num_children; ++i) {
    std::string child = name + "[";
    if (space.kind == FV_SPACE_DICT) child.append("'").append(space.keys[i]).append("'");
    else child.append(std::to_string(i));
    name_leaves(*space.children[i], child.append("]"), names);
  }
}

}  // namespace

std::vector<Column> columns_of(const engine::Layout& layout, const fv_spec& spec) {
  std::vector<std::string> names;
  name_leaves(*spec.observation_space, "observation", names);
  std::vector<Column> columns;
  columns.reserve(layout.observations.size() + 3 + 2 * layout.info.size());
  for (std::size_t i = 0; i < layout.observations.size(); ++i) {
    columns.push_back({names[i], layout.observations[i].row_bytes, layout.observations[i].dtype});
  }
  columns.push_back({"reward", sizeof(double), FV_FLOAT64});
  columns.push_back({"terminated", 1, FV_BOOL});
  columns.push_back({"truncated", 1, FV_BOOL});
  for (const engine::InfoLeaf& leaf : layout.info) {
    columns.push_back({"info '" + leaf.name + "'", leaf.row_bytes, leaf.dtype});
    columns.push_back({"mask of info '" + leaf.name + "'", 1, FV_BOOL});
  }
  return columns;
}

GuardedRows::GuardedRows(const std::vector<Column>& columns, std::size_t num_observations, std::int64_t rows)
    : columns_(columns), num_observations_(num_observations), rows_(rows) {
  for (const Column& column : columns) {
    const std::int64_t size = column.row_bytes * rows;
    blocks_.emplace_back(static_cast<std::size_t>(size + 2 * kGuard), kMark);
    std::memset(data(blocks_.size() - 1), 0, static_cast<std::size_t>(size));
  }
  for (std::size_t i = 0; i < num_observations; ++i) observations_.push_back(data(i));
  for (std::size_t i = num_observations + 3; i < columns.size(); i += 2) {
    info_.push_back(data(i));
    info_mask_.push_back(reinterpret_cast<std::uint8_t*>(data(i + 1)));
  }
  io_.struct_size = sizeof io_;
  io_.observations = observations_.data();
  io_.rewards = reinterpret_cast<double*>(data(num_observations));
  io_.terminated = flags(1);
  io_.truncated = flags(2);
  io_.info = info_.data();
  io_.info_mask = info_mask_.data();
}

void GuardedRows::clear_info_masks(std::int64_t row, std::int64_t count) {
  for (std::uint8_t* mask : info_mask_) std::memset(mask + row, 0, static_cast<std::size_t>(count));
}

void GuardedRows::fill_observations(int value) {
  for (std::size_t i = 0; i < num_observations_; ++i) {
    std::memset(data(i), value, static_cast<std::size_t>(columns_[i].row_bytes * rows_));
  }
}

bool GuardedRows::find_outside(Outside& found) const {
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const std::byte* const block = blocks_[i].data();
    const std::int64_t size = columns_[i].row_bytes * rows_;
    for (std::int64_t k = 1; k <= kGuard; ++k) {  // from the rows outwards
      const bool before = block[kGuard - k] != kMark;
      if (!before && block[kGuard + size + k - 1] == kMark) continue;
      found = {i, before ? -k : k - 1};
      return true;
    }
  }
  return false;
}

std::int64_t GuardedRows::find_not_finite(std::size_t column) const {
  const std::int64_t size = columns_[column].row_bytes * rows_;
  const auto search = [&](auto zero) -> std::int64_t {
    using T = decltype(zero);
    const auto* const values = reinterpret_cast<const T*>(blocks_[column].data() + kGuard);
    const auto count = size / static_cast<std::int64_t>(sizeof(T));
    for (std::int64_t k = 0; k < count; ++k) {
      if (!std::isfinite(values[k])) return k;
    }
    return -1;
  };
  if (columns_[column].dtype == FV_FLOAT32) return search(0.0f);
  if (columns_[column].dtype == FV_FLOAT64) return search(0.0);
  return -1;
}

}  // namespace fastvec::tools
