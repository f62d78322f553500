// fastvec/numpy_scalar.hpp: a number that promotes as NumPy 2's scalars do (NEP 50).
//
// For the numbers of an env in Python whose types change on the way: a state that is float64 at the first step of an
// episode and float32 after it, an action that comes as either. Where the types are fixed, write `float` and `double`:
// C++ rounds those as NumPy does, and faster.
//
// A NumpyScalar is a value of 16 bytes without memory of its own: copy it freely. Nothing here throws.
#pragma once

#include "fastvec/detail/require_cxx20.hpp"  // before all else

#include <cstdint>

namespace fastvec {

// A Python float, a np.float32 or a np.float64. +, - and * give the type that NumPy gives: a Python float takes the
// type of the scalar that it meets, float32 and float64 give float64. The result is rounded to that type; comparisons
// round their operands to it.
struct NumpyScalar {
  enum class Kind : std::uint8_t { kPython, kFloat32, kFloat64 };  // the greater of two is the result's

  double value;  // one that `kind` can hold
  Kind kind;

  NumpyScalar(double value_, Kind kind_) : value(value_), kind(kind_) {}
  NumpyScalar(double python) : value(python), kind(Kind::kPython) {}  // implicit, as a literal is

  static NumpyScalar float32(float value) { return {static_cast<double>(value), Kind::kFloat32}; }
  static NumpyScalar float64(double value) { return {value, Kind::kFloat64}; }

  // This number rounded to what `to` holds.
  double as(Kind to) const { return to == Kind::kFloat32 ? static_cast<double>(static_cast<float>(value)) : value; }
};

namespace detail {

inline NumpyScalar::Kind common(const NumpyScalar& a, const NumpyScalar& b) {
  return a.kind > b.kind ? a.kind : b.kind;
}

// A float32 sum, difference or product is the float64 one rounded once more: 53 bits are enough for that.
inline NumpyScalar rounded(double value, NumpyScalar::Kind kind) { return {NumpyScalar(value, kind).as(kind), kind}; }

}  // namespace detail

inline NumpyScalar operator+(const NumpyScalar& a, const NumpyScalar& b) {
  const NumpyScalar::Kind kind = detail::common(a, b);
  return detail::rounded(a.as(kind) + b.as(kind), kind);
}
inline NumpyScalar operator-(const NumpyScalar& a, const NumpyScalar& b) {
  const NumpyScalar::Kind kind = detail::common(a, b);
  return detail::rounded(a.as(kind) - b.as(kind), kind);
}
inline NumpyScalar operator*(const NumpyScalar& a, const NumpyScalar& b) {
  const NumpyScalar::Kind kind = detail::common(a, b);
  return detail::rounded(a.as(kind) * b.as(kind), kind);
}
inline bool operator<(const NumpyScalar& a, const NumpyScalar& b) {
  const NumpyScalar::Kind kind = detail::common(a, b);
  return a.as(kind) < b.as(kind);
}
inline bool operator>(const NumpyScalar& a, const NumpyScalar& b) { return b < a; }
inline bool operator>=(const NumpyScalar& a, const NumpyScalar& b) {
  const NumpyScalar::Kind kind = detail::common(a, b);
  return a.as(kind) >= b.as(kind);
}
inline bool operator==(const NumpyScalar& a, const NumpyScalar& b) {
  const NumpyScalar::Kind kind = detail::common(a, b);
  return a.as(kind) == b.as(kind);
}

}  // namespace fastvec
