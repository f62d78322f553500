// fastvec/rows.hpp: one env's row of the batch: its action, its observation, its info fields, its state.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "fastvec/abi.h"
#include "fastvec/space.hpp"

namespace fastvec {

// Elements per row of each leaf (or info field), fixed when the vector is made.
using Widths = std::span<const std::int64_t>;

// The rows of one env in all leaves of a Tuple or Dict space; `leaf` counts depth first.
class ActionRows {
 public:
  ActionRows(const void* const* leaves, Widths widths, std::int64_t row)
      : leaves_(leaves), widths_(widths), row_(row) {}

  template <class T>
  std::span<const T> leaf(std::size_t index) const {
    const std::int64_t width = widths_[index];
    return {static_cast<const T*>(leaves_[index]) + row_ * width, static_cast<std::size_t>(width)};
  }

 private:
  const void* const* leaves_;
  Widths widths_;
  std::int64_t row_;
};

class ObservationRows {
 public:
  ObservationRows(void* const* leaves, Widths widths, std::int64_t row)
      : leaves_(leaves), widths_(widths), row_(row) {}

  template <class T>
  std::span<T> leaf(std::size_t index) const {
    const std::int64_t width = widths_[index];
    return {static_cast<T*>(leaves_[index]) + row_ * width, static_cast<std::size_t>(width)};
  }

 private:
  void* const* leaves_;
  Widths widths_;
  std::int64_t row_;
};

// One env's info. A field that is not set in a call is absent for this env (its mask is False).
class Info {
 public:
  Info(void* const* fields, std::uint8_t* const* masks, Widths widths, std::int64_t row)
      : fields_(fields), masks_(masks), widths_(widths), row_(row) {}

  // Sets a scalar field; `T` is the field's own type.
  template <class T>
  void set(std::size_t field, T value) {
    static_cast<T*>(fields_[field])[row_] = value;
    masks_[field][row_] = 1;
  }

  // Marks an array field as set and gives its elements for writing.
  template <class T>
  std::span<T> array(std::size_t field) {
    masks_[field][row_] = 1;
    const std::int64_t width = widths_[field];
    return {static_cast<T*>(fields_[field]) + row_ * width, static_cast<std::size_t>(width)};
  }

 private:
  void* const* fields_;
  std::uint8_t* const* masks_;
  Widths widths_;
  std::int64_t row_;
};

// Saves a state that is not trivially copyable, piece by piece.
class StateWriter {
 public:
  StateWriter(void* context, void (*write)(void*, const void*, std::int64_t))
      : context_(context), write_(write) {}

  void bytes(const void* data, std::size_t size) {
    write_(context_, data, static_cast<std::int64_t>(size));
  }
  template <class T>
  void value(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes(&value, sizeof value);
  }
  template <class Container>  // a std::string, or a std::vector of plain values
  void sequence(const Container& values) {
    static_assert(std::is_trivially_copyable_v<typename Container::value_type>);
    value(static_cast<std::uint64_t>(values.size()));
    bytes(values.data(), values.size() * sizeof(typename Container::value_type));
  }

 private:
  void* context_;
  void (*write_)(void*, const void*, std::int64_t);
};

// Reads it back in the same order. Throws std::runtime_error when the data ends early.
class StateReader {
 public:
  explicit StateReader(std::span<const std::byte> data) : data_(data) {}

  void bytes(void* target, std::size_t size) {
    if (size > data_.size()) throw std::runtime_error("the saved state ends too early");
    if (size != 0) std::memcpy(target, data_.data(), size);
    data_ = data_.subspan(size);
  }
  template <class T>
  T value() {
    static_assert(std::is_trivially_copyable_v<T>);
    T result;
    bytes(&result, sizeof result);
    return result;
  }
  template <class Container>
  Container sequence() {
    using Element = typename Container::value_type;
    static_assert(std::is_trivially_copyable_v<Element>);
    const auto count = value<std::uint64_t>();
    if (count > data_.size() / sizeof(Element)) throw std::runtime_error("the saved state ends too early");
    Container result(static_cast<std::size_t>(count), Element{});
    bytes(result.data(), result.size() * sizeof(Element));
    return result;
  }
  bool empty() const { return data_.empty(); }

 private:
  std::span<const std::byte> data_;
};

}  // namespace fastvec
