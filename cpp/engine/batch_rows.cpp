#include "engine/batch_rows.hpp"

#include <cstddef>
#include <cstring>

#include "fastvec/flags.hpp"

namespace fastvec::engine {

namespace {

std::byte* row_of(void* array, std::int64_t row, std::int64_t bytes) {
  return static_cast<std::byte*>(array) + row * bytes;
}

// Zeros the values whose flag is not set: eight bytes each, of any type.
void keep_where_set(void* values, const std::uint8_t* flags, std::int64_t first, std::int64_t last) {
  auto* const bytes = static_cast<std::byte*>(values);
  for (std::int64_t i = first; i < last; ++i) {
    std::uint64_t value;
    std::memcpy(&value, bytes + i * 8, 8);
    value &= flags[i] != 0 ? ~std::uint64_t{0} : 0;
    std::memcpy(bytes + i * 8, &value, 8);
  }
}

}  // namespace

void clear_info_masks(const BatchView& batch, std::int64_t row, std::int64_t count) {
  for (std::uint8_t* mask : batch.info_mask) std::memset(mask + row, 0, static_cast<std::size_t>(count));
}

void clear_absent_info(const Layout& layout, const BatchView& batch, std::int64_t row, std::int64_t count) {
  for (std::size_t i = 0; i < batch.info.size(); ++i) {
    const std::int64_t bytes = layout.info[i].row_bytes;
    const std::uint8_t* const mask = batch.info_mask[i];
    std::int64_t first = next_clear(mask, row, row + count);
    if (bytes == 8) {
      // A number per row, as most are. Rows come and go with the episodes, so runs are short: masking all of them
      // costs less than to look for those.
      keep_where_set(batch.info[i], mask, first, row + count);
      continue;
    }
    while (first < row + count) {
      const std::int64_t last = next_set(mask, first, row + count);
      std::memset(row_of(batch.info[i], first, bytes), 0, static_cast<std::size_t>((last - first) * bytes));
      first = next_clear(mask, last, row + count);
    }
  }
}

void write_failed_row(const Layout& layout, const BatchView& batch, std::int64_t row) {
  for (std::size_t i = 0; i < layout.observations.size(); ++i) {
    const std::int64_t bytes = layout.observations[i].row_bytes;
    std::memset(row_of(batch.observations[i], row, bytes), 0, static_cast<std::size_t>(bytes));
  }
  batch.rewards[row] = 0.0;
  batch.terminated[row] = 0;
  batch.truncated[row] = 1;
  clear_info_masks(batch, row, 1);
  clear_absent_info(layout, batch, row, 1);
}

void copy_observation_and_info(const Layout& layout, const BatchView& from, std::int64_t from_row, const BatchView& to,
                               std::int64_t to_row) {
  const auto copy = [&](void* target, void* source, std::int64_t bytes) {
    std::memcpy(row_of(target, to_row, bytes), row_of(source, from_row, bytes), static_cast<std::size_t>(bytes));
  };
  for (std::size_t i = 0; i < layout.observations.size(); ++i) {
    copy(to.observations[i], from.observations[i], layout.observations[i].row_bytes);
  }
  for (std::size_t i = 0; i < layout.info.size(); ++i) {
    copy(to.info_mask[i], from.info_mask[i], 1);
    copy(to.info[i], from.info[i], layout.info[i].row_bytes);
  }
  clear_absent_info(layout, to, to_row, 1);
}

}  // namespace fastvec::engine
