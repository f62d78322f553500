// What an env is given to write into when it is looked at: each row in memory of its own, between bytes that show a
// write beside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/layout.hpp"
#include "fastvec/abi.h"

namespace fastvec::tools {

// One array that an env writes.
struct Column {
  std::string name;
  std::int64_t row_bytes;
  std::int32_t dtype;
};

// In this order: the observation's leaves, reward, terminated, truncated, and each info with its mask behind it.
std::vector<Column> columns_of(const engine::Layout& layout, const fv_spec& spec);

// The rows of one call: every column in memory of its own, between guards. `columns` must outlive it.
class GuardedRows {
 public:
  GuardedRows(const std::vector<Column>& columns, std::size_t num_observations, std::int64_t rows);
  GuardedRows(const GuardedRows&) = delete;
  GuardedRows& operator=(const GuardedRows&) = delete;

  fv_io& io() { return io_; }
  std::byte* data(std::size_t column) { return blocks_[column].data() + kGuard; }
  std::uint8_t* terminated() { return flags(1); }
  std::uint8_t* truncated() { return flags(2); }
  void clear_info_masks(std::int64_t row, std::int64_t count);
  void fill_observations(int value);

  // The first byte of a guard that is not as it was.
  struct Outside {
    std::size_t column;
    std::int64_t at;  // negative: before the rows; otherwise past their end
  };
  bool find_outside(Outside& found) const;

  // The first number that is infinite or none, if `column` is of floating-point numbers; else -1.
  std::int64_t find_not_finite(std::size_t column) const;

 private:
  static constexpr std::int64_t kGuard = 256;  // bytes on either side of the rows of a column

  std::uint8_t* flags(std::size_t behind) { return reinterpret_cast<std::uint8_t*>(data(num_observations_ + behind)); }

  const std::vector<Column>& columns_;
  std::size_t num_observations_;
  std::int64_t rows_;
  std::vector<std::vector<std::byte>> blocks_;
  std::vector<void*> observations_, info_;
  std::vector<std::uint8_t*> info_mask_;
  fv_io io_{};
};

}  // namespace fastvec::tools
