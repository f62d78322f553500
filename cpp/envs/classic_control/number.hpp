// A number that promotes as NumPy 2 does it (NEP 50): a Python float takes the type of the NumPy scalar it
// meets, float32 and float64 give float64.
#pragma once

#include <cstdint>

namespace classic_control {

struct Number {
  enum class Kind : std::uint8_t { kPython, kFloat32, kFloat64 };

  double value;
  Kind kind;

  Number(double value_, Kind kind_) : value(value_), kind(kind_) {}
  Number(double python) : value(python), kind(Kind::kPython) {}  // implicit, as a literal is

  static Number float32(float value) { return {static_cast<double>(value), Kind::kFloat32}; }
  static Number float64(double value) { return {value, Kind::kFloat64}; }

  // This number rounded to what `to` holds.
  double as(Kind to) const { return to == Kind::kFloat32 ? static_cast<double>(static_cast<float>(value)) : value; }
};

namespace detail {

inline Number::Kind common(const Number& a, const Number& b) { return a.kind > b.kind ? a.kind : b.kind; }

// A float32 sum, difference or product is the float64 one rounded once more: 53 bits are enough for that.
inline Number rounded(double value, Number::Kind kind) { return {Number(value, kind).as(kind), kind}; }

}  // namespace detail

inline Number operator+(const Number& a, const Number& b) {
  const Number::Kind kind = detail::common(a, b);
  return detail::rounded(a.as(kind) + b.as(kind), kind);
}
inline Number operator-(const Number& a, const Number& b) {
  const Number::Kind kind = detail::common(a, b);
  return detail::rounded(a.as(kind) - b.as(kind), kind);
}
inline Number operator*(const Number& a, const Number& b) {
  const Number::Kind kind = detail::common(a, b);
  return detail::rounded(a.as(kind) * b.as(kind), kind);
}
inline bool operator<(const Number& a, const Number& b) {
  const Number::Kind kind = detail::common(a, b);
  return a.as(kind) < b.as(kind);
}
inline bool operator>(const Number& a, const Number& b) { return b < a; }
inline bool operator>=(const Number& a, const Number& b) {
  const Number::Kind kind = detail::common(a, b);
  return a.as(kind) >= b.as(kind);
}
inline bool operator==(const Number& a, const Number& b) {
  const Number::Kind kind = detail::common(a, b);
  return a.as(kind) == b.as(kind);
}

}  // namespace classic_control
