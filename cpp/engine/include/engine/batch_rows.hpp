// What the engine itself writes into the rows of a batch: blank rows, and info that no env has written.
#pragma once

#include <cstdint>

#include "engine/layout.hpp"

namespace fastvec::engine {

// Says that no info was written in rows [row, row + count).
void clear_info_masks(const BatchView& batch, std::int64_t row, std::int64_t count);

// Zeros the info that was not written in rows [row, row + count), whatever the buffer held before.
void clear_absent_info(const Layout& layout, const BatchView& batch, std::int64_t row, std::int64_t count);

// The row of an env that failed: zeros, truncated, without info.
void write_failed_row(const Layout& layout, const BatchView& batch, std::int64_t row);

// Copies the observation and info of row `from_row` to row `to_row` of another batch. Info that was not written is zero
// there.
void copy_observation_and_info(const Layout& layout, const BatchView& from, std::int64_t from_row, const BatchView& to,
                               std::int64_t to_row);

}  // namespace fastvec::engine
