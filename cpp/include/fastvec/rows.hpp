// fastvec/rows.hpp: one env's row of the batch: its action, its observation, its info fields.
//
// The arrays of a batch have one row per env; an env sees its own. A row of one leaf is a number or a std::span
// (env.hpp); what is here is for rows of several leaves, Tuple and Dict, and for infos.
//
// All of it is views into the engine's arrays, valid during the call to which they are handed, on its thread. They take
// no memory. Other threads write to other rows meanwhile: a row is read and written through its view alone.
//
// A leaf or field number that there is not, or an element type that is not the declared one, throws
// (std::out_of_range, std::logic_error) before anything is written; of an env that does so, Python gets an EnvError.
#pragma once

#include "fastvec/detail/require_cxx20.hpp"  // before all else

#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "fastvec/abi.h"
#include "fastvec/device.hpp"
#include "fastvec/space.hpp"

namespace fastvec {

// A leaf of a space, or an info field: what is fixed about its rows when a vector is made. For `step_range` and the SDK
// itself; other envs do not meet it.
struct Column {
  std::int64_t width;  // elements per row
  std::int32_t dtype;  // FV_*
};
using Columns = std::span<const Column>;

namespace detail {

[[noreturn]] inline void refuse_column(const char* what, std::size_t index, Columns columns, std::int32_t dtype) {
  const std::string name = std::string(what) + " " + std::to_string(index);
  if (index >= columns.size()) {
    throw std::out_of_range(name + ": there are only " + std::to_string(columns.size()) + " (numbered from 0)");
  }
  throw std::logic_error(name + " holds " + dtype_name(columns[index].dtype) + ", not " + dtype_name(dtype));
}

// One comparison on the step path; without it a wrong type would write beyond the row.
template <class T>
void expect_column(const char* what, std::size_t index, Columns columns) {
  if (index >= columns.size() || columns[index].dtype != dtype_of<T>()) [[unlikely]] {
    refuse_column(what, index, columns, dtype_of<T>());
  }
}

// Stores `value` as another dtype than its own. A number that does not fit throws.
template <class T>
void store_converted(void* row_zero, std::int64_t row, std::int32_t dtype, T value) {
  with_dtype(dtype, [&]<class Target>(Target) {
    if constexpr (std::is_floating_point_v<Target>) {
      static_cast<Target*>(row_zero)[row] = static_cast<Target>(value);
      return;
    } else if constexpr (std::is_integral_v<T>) {
      using Largest = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
      const auto number = static_cast<Largest>(value);
      bool fits = number == 0 || number == 1;
      if constexpr (!std::is_same_v<Target, bool>) fits = std::in_range<Target>(number);
      if (fits) {
        static_cast<Target*>(row_zero)[row] = static_cast<Target>(value);
        return;
      }
    }
    throw std::invalid_argument("info: " + std::to_string(value) + " does not fit a field of " + dtype_name(dtype));
  });
}

}  // namespace detail

// The rows of one env in all leaves of a Tuple or Dict space of actions; `leaf` counts depth first. To be read only.
class ActionRows {
 public:
  ActionRows(const void* const* leaves, Columns columns, std::int64_t row)
      : leaves_(leaves), columns_(columns), row_(row) {}

  // The elements of leaf `index`, row-major; of Discrete there is one. `T` is the leaf's own type (std::int64_t for
  // Discrete and MultiDiscrete, std::int8_t for MultiBinary); another one throws.
  template <class T>
  std::span<const T> leaf(std::size_t index) const {
    detail::expect_column<T>("action leaf", index, columns_);
    const std::int64_t width = columns_[index].width;
    return {static_cast<const T*>(leaves_[index]) + row_ * width, static_cast<std::size_t>(width)};
  }

 private:
  const void* const* leaves_;
  Columns columns_;
  std::int64_t row_;
};

// The same for actions that have come as float64: what is declared float32 is read as `leaf<double>`.
class Float64ActionRows {
 public:
  Float64ActionRows(const void* const* leaves, Columns columns, std::int64_t row)
      : leaves_(leaves), columns_(columns), row_(row) {}

  template <class T>
  std::span<const T> leaf(std::size_t index) const {
    static_assert(!std::is_same_v<T, float>, "float64 actions are read as leaf<double>");
    using Declared = std::conditional_t<std::is_same_v<T, double>, float, T>;
    detail::expect_column<Declared>("action leaf", index, columns_);
    const std::int64_t width = columns_[index].width;
    return {static_cast<const T*>(leaves_[index]) + row_ * width, static_cast<std::size_t>(width)};
  }

 private:
  const void* const* leaves_;
  Columns columns_;
  std::int64_t row_;
};

// The same for observations. What is in a row before is of no meaning: `observe` writes every element of every leaf.
class ObservationRows {
 public:
  ObservationRows(void* const* leaves, Columns columns, std::int64_t row)
      : leaves_(leaves), columns_(columns), row_(row) {}

  // As ActionRows::leaf, for writing.
  template <class T>
  std::span<T> leaf(std::size_t index) const {
    detail::expect_column<T>("observation leaf", index, columns_);
    const std::int64_t width = columns_[index].width;
    return {static_cast<T*>(leaves_[index]) + row_ * width, static_cast<std::size_t>(width)};
  }

 private:
  void* const* leaves_;
  Columns columns_;
  std::int64_t row_;
};

// One env's info at a reset or a step: the fields that Spec::info declares, numbered in its order. A field that is not
// set in a call is absent for this env (its mask is False, its value 0); nothing is left from the call before. In
// kernels (kernel.hpp) there are no infos: `set` does nothing.
class Info {
 public:
  Info(void* const* fields, std::uint8_t* const* masks, Columns columns, std::int64_t row)
      : fields_(fields), masks_(masks), columns_(columns), row_(row) {}

  // Sets a field of shape {}. A number of another type than the field's is converted if it fits; else this throws
  // std::invalid_argument, and std::logic_error for a field of more than one element.
  template <class T>
  void set(std::size_t field, T value) {
    static_assert(std::is_arithmetic_v<T>, "a scalar info field holds a number; use array() for more");
    if constexpr (kInKernel) return;  // which has no infos
    if (field >= columns_.size() || columns_[field].width != 1) [[unlikely]]
      refuse_scalar(field);
    if (columns_[field].dtype == dtype_of<T>()) [[likely]] {
      static_cast<T*>(fields_[field])[row_] = value;
    } else {
      detail::store_converted(fields_[field], row_, columns_[field].dtype, value);
    }
    masks_[field][row_] = 1;
  }

  // Marks a field of any shape as set and gives its elements, row-major, for writing. All of them: what they hold
  // before is of no meaning. `T` is the field's own type.
  template <class T>
  std::span<T> array(std::size_t field) {
    static_assert(!kInKernel || sizeof(T) == 0,
                  "a kernel has no infos: Info::set does nothing there, and Info::array has nothing to give");
    detail::expect_column<T>("info field", field, columns_);
    masks_[field][row_] = 1;
    const std::int64_t width = columns_[field].width;
    return {static_cast<T*>(fields_[field]) + row_ * width, static_cast<std::size_t>(width)};
  }

 private:
  [[noreturn]] void refuse_scalar(std::size_t field) const {
    if (field >= columns_.size()) detail::refuse_column("info field", field, columns_, FV_BOOL);
    throw std::logic_error("info field " + std::to_string(field) + " has " + std::to_string(columns_[field].width) +
                           " elements: write them with array()");
  }

  void* const* fields_;
  std::uint8_t* const* masks_;
  Columns columns_;
  std::int64_t row_;
};

}  // namespace fastvec
