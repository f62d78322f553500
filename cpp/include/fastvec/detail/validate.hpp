// fastvec/detail/validate.hpp: refuses a Spec that cannot be meant, when a vector is made.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#include "fastvec/abi.h"
#include "fastvec/space.hpp"
#include "fastvec/spec.hpp"

namespace fastvec::detail {

inline void validate_box(const fv_space& space, std::int64_t size, const std::string& where) {
  with_dtype(space.dtype, [&]<class T>(T) {
    for (std::int64_t i = 0; i < size; ++i) {
      T low, high;
      std::memcpy(&low, static_cast<const T*>(space.low) + i, sizeof low);
      std::memcpy(&high, static_cast<const T*>(space.high) + i, sizeof high);
      if (!(low <= high)) {  // also true of NaN
        throw InvalidArgument(where + ": expected low <= high, got " + std::to_string(low) + " and " +
                              std::to_string(high) + " for element " + std::to_string(i));
      }
    }
  });
}

inline void validate_space(const fv_space& space, const std::string& where) {
  std::int64_t size = 1;
  for (std::int32_t i = 0; i < space.ndim; ++i) {
    if (space.shape[i] < 1) {
      throw InvalidArgument(where + ": expected extents of at least 1, got " + std::to_string(space.shape[i]));
    }
    size *= space.shape[i];
  }
  switch (space.kind) {
    case FV_SPACE_BOX: validate_box(space, size, where); break;
    case FV_SPACE_DISCRETE:
      if (space.n < 1) {
        throw InvalidArgument(where + ": expected Discrete(n) with n >= 1, got " + std::to_string(space.n));
      }
      break;
    case FV_SPACE_MULTI_DISCRETE:
      for (std::int64_t i = 0; i < size; ++i) {
        if (space.nvec[i] < 1) {
          throw InvalidArgument(where + ": expected MultiDiscrete counts >= 1, got " + std::to_string(space.nvec[i]));
        }
      }
      break;
    case FV_SPACE_MULTI_BINARY: break;
    default:
      if (space.num_children == 0) throw InvalidArgument(where + ": expected at least one space inside, got none");
      for (std::int64_t i = 0; i < space.num_children; ++i) {
        const bool named = space.kind == FV_SPACE_DICT;
        for (std::int64_t k = 0; named && k < i; ++k) {
          if (std::strcmp(space.keys[i], space.keys[k]) == 0) {
            throw InvalidArgument(where + ": the key '" + space.keys[i] + "' occurs twice");
          }
        }
        validate_space(*space.children[i], where + "[" + (named ? space.keys[i] : std::to_string(i)) + "]");
      }
  }
}

// `draws`: does the env offer render()?
inline void validate(const fv_spec& spec, bool draws) {
  validate_space(*spec.observation_space, "observation space");
  validate_space(*spec.action_space, "action space");
  for (std::int64_t i = 0; i < spec.num_info_fields; ++i) {
    const fv_info_field& field = *spec.info_fields[i];
    if (*field.name == '\0') throw InvalidArgument("info field " + std::to_string(i) + " has no name");
    for (std::int32_t k = 0; k < field.ndim; ++k) {
      if (field.shape[k] < 0) {
        throw InvalidArgument("info field '" + std::string(field.name) + "': expected extents of at least 0, got " +
                              std::to_string(field.shape[k]));
      }
    }
  }
  if (draws != (spec.render_height > 0 && spec.render_width > 0)) {
    throw InvalidArgument(draws ? "render() is there, but Spec::render_height and render_width are not set"
                                : "Spec::render_height and render_width are set, but there is no `void render(const "
                                  "Config&, std::span<std::uint8_t>) const`");
  }
}

}  // namespace fastvec::detail
