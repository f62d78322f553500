// fastvec/space.hpp: observation and action spaces, named as in gymnasium.spaces.
//
// A `Space` is a value: build it with the functions below, nest it with Tuple and Dict, copy it. It becomes a real
// gymnasium.spaces object in Python, in `single_observation_space` and `single_action_space`.
//
//   Box<float>(-1.0f, 1.0f, {3})                    3 numbers of float32, each in [-1, 1]
//   Box<std::uint8_t>(0, 255, {64, 64, 3})          a picture, row-major
//   Discrete(4)                                     one of 0, 1, 2, 3, as int64
//   Dict({{"map", Box<float>(0.0f, 1.0f, {8, 8})}, {"key", Discrete(2)}})
//
// Everything but Tuple and Dict is a leaf. A leaf is stored as one row-major array, one row per env; leaves are
// numbered in the depth-first order of the tree, the children of a Dict as they are written. That number is the k of
// `rows.leaf<T>(k)` in rows.hpp.
//
// Errors: a Box whose bounds are not one per element throws std::invalid_argument where it is written. Everything else
// is checked when a vector is made, and is a ValueError in Python then: extents and counts of at least 1, low <= high
// and neither NaN, at least one child, each key once. Threads: values, without anything shared. Made when a vector is
// made, never on the step path; they take heap memory.
#pragma once

#include "fastvec/detail/require_cxx20.hpp"  // before all else

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "fastvec/abi.h"

namespace fastvec {

// The FV_* number of an element type: bool, an integer of 8 to 64 bits, float or double. Others do not compile.
template <class T>
constexpr std::int32_t dtype_of() {
  if constexpr (std::is_same_v<T, bool>) return FV_BOOL;
  else if constexpr (std::is_same_v<T, float>) return FV_FLOAT32;
  else if constexpr (std::is_same_v<T, double>) return FV_FLOAT64;
  else {
    static_assert(std::is_integral_v<T>, "an element is bool, an integer, float or double");
    constexpr int width = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
    return (std::is_signed_v<T> ? FV_INT8 : FV_UINT8) + width;
  }
}

// Bytes of an element. `dtype` is one of FV_*, else std::out_of_range, as for dtype_name.
constexpr std::size_t dtype_size(std::int32_t dtype) {
  constexpr std::array<std::size_t, 11> kSizes{1, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8};
  return kSizes.at(static_cast<std::size_t>(dtype));
}

// The name that NumPy gives it, as "float32".
constexpr const char* dtype_name(std::int32_t dtype) {
  constexpr std::array<const char*, 11> kNames{"bool",   "int8",   "int16",  "int32",   "int64",  "uint8",
                                               "uint16", "uint32", "uint64", "float32", "float64"};
  return kNames.at(static_cast<std::size_t>(dtype));
}

// Calls `visit` with a zero of the C++ type of `dtype`, and returns what it returns: one type for all dtypes. Throws
// std::invalid_argument for a number that is none of FV_*.
template <class Visit>
auto with_dtype(std::int32_t dtype, Visit&& visit) {
  switch (dtype) {
    case FV_BOOL: return visit(bool{});
    case FV_INT8: return visit(std::int8_t{});
    case FV_INT16: return visit(std::int16_t{});
    case FV_INT32: return visit(std::int32_t{});
    case FV_INT64: return visit(std::int64_t{});
    case FV_UINT8: return visit(std::uint8_t{});
    case FV_UINT16: return visit(std::uint16_t{});
    case FV_UINT32: return visit(std::uint32_t{});
    case FV_UINT64: return visit(std::uint64_t{});
    case FV_FLOAT32: return visit(float{});
    case FV_FLOAT64: return visit(double{});
    default: throw std::invalid_argument("there is no element type number " + std::to_string(dtype));
  }
}

// A space of any kind. Build it with the functions below, which fill in what belongs to their kind.
struct Space {
  std::int32_t kind = FV_SPACE_DISCRETE;  // FV_SPACE_*
  std::int32_t dtype = FV_INT64;          // FV_*, of a leaf's elements
  std::vector<std::int64_t> shape{};      // of a leaf; empty for Discrete
  std::vector<std::byte> low{}, high{};   // Box: one value of `dtype` per element, row-major
  std::int64_t n = 0, start = 0;          // Discrete
  std::vector<std::int64_t> nvec{};       // MultiDiscrete: one per element
  std::vector<Space> children{};          // Tuple, Dict
  std::vector<std::string> keys{};        // Dict: one per child

  bool is_leaf() const { return kind != FV_SPACE_TUPLE && kind != FV_SPACE_DICT; }

  // Elements of a leaf: the width of its rows.
  std::int64_t size() const {
    std::int64_t product = 1;
    for (const std::int64_t extent : shape) product *= extent;
    return product;
  }
};

namespace detail {

template <class T>
std::vector<std::byte> as_bytes(const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  if constexpr (std::is_same_v<T, bool>) {  // std::vector<bool> has no array of bool inside
    for (std::size_t i = 0; i < values.size(); ++i) bytes[i] = std::byte{values[i] ? std::uint8_t{1} : std::uint8_t{0}};
  } else if (!bytes.empty()) {
    std::memcpy(bytes.data(), values.data(), bytes.size());
  }
  return bytes;
}

}  // namespace detail

// An array of `T` (a number or bool) with one bound per element, row-major, both inclusive; infinite ones where there
// is none. `shape` {} is a single number. Actions of a Box are not clipped to it: an env clips where it matters.
template <class T>
Space Box(const std::vector<T>& low, const std::vector<T>& high, std::vector<std::int64_t> shape) {
  Space space{.kind = FV_SPACE_BOX, .dtype = dtype_of<T>(), .shape = std::move(shape)};
  const auto size = static_cast<std::size_t>(space.size());
  if (low.size() != size || high.size() != size) {
    throw std::invalid_argument("Box: expected " + std::to_string(size) + " bounds, got " + std::to_string(low.size()) +
                                " low and " + std::to_string(high.size()) + " high");
  }
  space.low = detail::as_bytes(low);
  space.high = detail::as_bytes(high);
  return space;
}

// An array of `T` with the same bounds everywhere.
template <class T>
Space Box(T low, T high, std::vector<std::int64_t> shape) {
  std::size_t size = 1;
  for (const std::int64_t extent : shape) size *= static_cast<std::size_t>(extent);
  return Box<T>(std::vector<T>(size, low), std::vector<T>(size, high), std::move(shape));
}

// One int64 in [start, start + n). Actions outside are refused before an env sees them, also those of the next two.
inline Space Discrete(std::int64_t n, std::int64_t start = 0) {
  Space space;
  space.n = n;
  space.start = start;
  return space;
}

// An array of one dimension: element i is an int64 in [0, nvec[i]).
inline Space MultiDiscrete(std::vector<std::int64_t> nvec) {
  Space space{.kind = FV_SPACE_MULTI_DISCRETE};
  space.shape = {static_cast<std::int64_t>(nvec.size())};
  space.nvec = std::move(nvec);
  return space;
}

// An array of `n` int8 values, each 0 or 1.
inline Space MultiBinary(std::int64_t n) {
  return Space{.kind = FV_SPACE_MULTI_BINARY, .dtype = FV_INT8, .shape = {n}};
}

// A tuple of spaces in Python.
inline Space Tuple(std::vector<Space> children) {
  Space space{.kind = FV_SPACE_TUPLE};
  space.children = std::move(children);
  return space;
}

// A dict of spaces in Python, in the order that is written here.
inline Space Dict(std::vector<std::pair<std::string, Space>> children) {
  Space space{.kind = FV_SPACE_DICT};
  for (auto& [key, child] : children) {
    space.keys.push_back(std::move(key));
    space.children.push_back(std::move(child));
  }
  return space;
}

}  // namespace fastvec
