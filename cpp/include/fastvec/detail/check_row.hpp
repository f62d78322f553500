// fastvec/detail/check_row.hpp: are the row types that an env names those of its spaces?
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include "fastvec/detail/row_access.hpp"
#include "fastvec/detail/tables.hpp"
#include "fastvec/spec.hpp"

namespace fastvec::detail {

inline void expect_single_leaf(const SpaceTable& table, std::int32_t dtype, const char* what) {
  if (table.leaves().size() != 1) {
    throw InvalidArgument(std::string(what) + " space has " + std::to_string(table.leaves().size()) +
                          " leaves: use ActionRows and ObservationRows for Tuple and Dict spaces");
  }
  if (table.leaves()[0]->dtype != dtype) {
    throw InvalidArgument(std::string(what) + " space is of " + dtype_name(table.leaves()[0]->dtype) + ", the env's " +
                          what + " type of " + dtype_name(dtype));
  }
}

inline void expect_width(const SpaceTable& table, std::int64_t width, const char* what) {
  if (table.columns()[0].width != width) {
    throw InvalidArgument(std::string(what) + " space has " + std::to_string(table.columns()[0].width) +
                          " elements, the env's " + what + " type has " + std::to_string(width));
  }
}

template <class T, std::size_t N>
void check_span(const SpaceTable& table, const char* what, std::type_identity<std::span<T, N>>) {
  expect_single_leaf(table, dtype_of<std::remove_const_t<T>>(), what);
  if constexpr (N != std::dynamic_extent) expect_width(table, static_cast<std::int64_t>(N), what);
}

// Throws InvalidArgument where they are not; any space will do for ActionRows and ObservationRows. `what`: "action" or
// "observation".
template <class Row>
void check_row([[maybe_unused]] const SpaceTable& table, [[maybe_unused]] const char* what) {
  if constexpr (std::is_arithmetic_v<std::remove_reference_t<Row>>) {
    expect_single_leaf(table, dtype_of<std::remove_cvref_t<Row>>(), what);
    expect_width(table, 1, what);
  } else if constexpr (IsSpan<Row>::value) {
    check_span(table, what, std::type_identity<Row>());
  }
}

}  // namespace fastvec::detail
