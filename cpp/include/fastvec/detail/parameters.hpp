// fastvec/detail/parameters.hpp: members of a Config by number, for the parameters that are set env by env.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "fastvec/abi.h"
#include "fastvec/spec.hpp"

namespace fastvec::detail {

template <class Config>
concept HasParameters = requires { Config::parameters(); };

#if defined(__GNUC__) && !defined(__CUDACC_RTC__)
#define FASTVEC_HIDDEN __attribute__((visibility("hidden")))
#else
#define FASTVEC_HIDDEN
#endif

// What a Config declares in `parameters()`, for code that counts them. Hidden, whatever the flags, for its static data:
// the loader would else give a library that has a Config of the same name, or was built again, that of the first.
template <class Config>
class FASTVEC_HIDDEN Parameters {
 public:
  static constexpr std::size_t kSize = [] {
    if constexpr (HasParameters<Config>) return std::tuple_size_v<decltype(Config::parameters())>;
    else return std::size_t{0};
  }();

  static double get(const Config& config, std::int64_t index) {
    double value = 0.0;
    visit(index, [&](const auto& parameter) { value = static_cast<double>(config.*(parameter.member)); });
    return value;
  }

  // Throws InvalidArgument for a value that the member's type cannot hold.
  static void set(Config& config, std::int64_t index, double value) {
    visit(index, [&](const auto& parameter) {
      auto& member = config.*(parameter.member);
      using T = std::remove_reference_t<decltype(member)>;
      if constexpr (std::is_floating_point_v<T>) {
        member = static_cast<T>(value);
      } else {
        constexpr double kLimit = std::is_same_v<T, bool> ? 1.0 : 0x1p53;  // beyond it a double skips integers
        if (!(std::fabs(value) <= kLimit) || value != std::floor(value) ||
            !std::in_range<Integer<T>>(static_cast<std::int64_t>(value))) {
          throw InvalidArgument(std::string(parameter.name) + ": expected " +
                                (std::is_same_v<T, bool> ? "a bool" : "an integer in range") + ", got " +
                                std::to_string(value));
        }
        member = static_cast<T>(value);
      }
    });
  }

  // Equal for two Configs exactly if every parameter has the same bits.
  using Key = std::array<std::uint64_t, kSize>;
  static Key key(const Config& config) {
    Key key{};
    for (std::size_t i = 0; i < kSize; ++i) {
      visit(static_cast<std::int64_t>(i), [&](const auto& parameter) {
        const auto& member = config.*(parameter.member);
        using T = std::remove_cvref_t<decltype(member)>;
        if constexpr (std::is_floating_point_v<T>) key[i] = std::bit_cast<std::uint64_t>(static_cast<double>(member));
        else key[i] = static_cast<std::uint64_t>(member);
      });
    }
    return key;
  }

  // The C table's view; memory that lives as long as the library.
  static const fv_parameter* const* table() {
    static const auto entries = [] {
      std::array<fv_parameter, kSize> made{};
      for (std::size_t i = 0; i < kSize; ++i) {
        visit(static_cast<std::int64_t>(i),
              [&](const auto& parameter) { made[i] = {sizeof(fv_parameter), 0, parameter.name, parameter.doc}; });
      }
      return made;
    }();
    static const auto pointers = [] {
      std::array<const fv_parameter*, kSize> made{};
      for (std::size_t i = 0; i < kSize; ++i) made[i] = &entries[i];
      return made;
    }();
    return pointers.data();
  }

 private:
  template <class T>
  using Integer = std::conditional_t<std::is_same_v<T, bool>, unsigned char, T>;

  template <class Visitor>
  static void visit(std::int64_t index, const Visitor& visitor) {
    if constexpr (kSize != 0) {
      std::int64_t at = 0;
      std::apply([&](const auto&... parameter) { ((at++ == index ? visitor(parameter) : void()), ...); },
                 Config::parameters());
    }
  }
};

}  // namespace fastvec::detail
