// fastvec/detail/row_access.hpp: from the engine's arrays to the row types that an env names.
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>

#include "fastvec/rows.hpp"

namespace fastvec::detail {

template <class T>
concept Element = std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_integral_v<T>;

template <class T>
concept WritableElement = Element<T> && !std::is_const_v<T>;

template <class T>
struct IsSpan : std::false_type {};
template <class T, std::size_t N>
struct IsSpan<std::span<T, N>> : std::true_type {
  using Item = T;
};

// What may stand for the row of an action: read, never written.
template <class Row>
concept ActionRow = std::is_same_v<Row, ActionRows> ||
                    (Element<std::remove_cvref_t<Row>> &&
                     (!std::is_reference_v<Row> || std::is_const_v<std::remove_reference_t<Row>>)) ||
                    (IsSpan<Row>::value && requires {
                      requires std::is_const_v<typename IsSpan<Row>::Item>;
                      requires Element<std::remove_const_t<typename IsSpan<Row>::Item>>;
                    });

// What may stand for the row of an observation: written.
template <class Row>
concept ObservationRow = std::is_same_v<Row, ObservationRows> ||
                         (std::is_lvalue_reference_v<Row> && WritableElement<std::remove_reference_t<Row>>) ||
                         (IsSpan<Row>::value && requires { requires WritableElement<typename IsSpan<Row>::Item>; });

// A RowAccess finds the row of one env. `Leaf` is `const void*` for actions and `void*` for observations.
template <class Row, class Leaf>
struct RowAccess;

// Scalars: a reference (observation) or a value (action).
template <class T, class Leaf>
  requires std::is_arithmetic_v<std::remove_reference_t<T>>
struct RowAccess<T, Leaf> {
  using Number = std::remove_cvref_t<T>;
  using Pointer = std::conditional_t<std::is_same_v<Leaf, void*>, Number*, const Number*>;
  Pointer base;

  RowAccess(const Leaf* leaves, Columns) : base(static_cast<Pointer>(leaves[0])) {}
  T at(std::int64_t row) const { return base[row]; }
  Pointer row(std::int64_t row) const { return base + row; }
};

template <class T, std::size_t N, class Leaf>
struct RowAccess<std::span<T, N>, Leaf> {
  T* base;
  std::int64_t dynamic_width;

  RowAccess(const Leaf* leaves, Columns columns) : base(static_cast<T*>(leaves[0])), dynamic_width(columns[0].width) {}
  std::span<T, N> at(std::int64_t row) const {
    if constexpr (N == std::dynamic_extent) {
      return {base + row * dynamic_width, static_cast<std::size_t>(dynamic_width)};
    } else {
      return std::span<T, N>(base + row * static_cast<std::int64_t>(N), N);
    }
  }
  T* row(std::int64_t row) const { return at(row).data(); }
};

template <class Rows, class Leaf>
  requires(std::is_same_v<Rows, ActionRows> || std::is_same_v<Rows, Float64ActionRows> ||
           std::is_same_v<Rows, ObservationRows>)
struct RowAccess<Rows, Leaf> {
  const Leaf* leaves;
  Columns columns;

  RowAccess(const Leaf* leaves_, Columns columns_) : leaves(leaves_), columns(columns_) {}
  Rows at(std::int64_t row) const { return Rows(leaves, columns, row); }
};

// The float64 twin of a float32 action type.
template <class Action>
struct Float64Action {
  using type = void;
};
template <std::size_t N>
struct Float64Action<std::span<const float, N>> {
  using type = std::span<const double, N>;
};
template <>
struct Float64Action<ActionRows> {
  using type = Float64ActionRows;
};

}  // namespace fastvec::detail
