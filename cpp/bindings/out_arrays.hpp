// From a caller's `out=` arrays to the pointers that the engine writes.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine/engine.hpp"

namespace fastvec::bindings {

// The arrays of an `out=` argument. `given`: the caller's own objects, None where there was none.
struct OutArrays {
  std::vector<void*> observations;  // empty: not given
  pybind11::object observation;
  void* rewards = nullptr;
  void* terminated = nullptr;
  void* truncated = nullptr;
  pybind11::object reward_array, terminated_array, truncated_array;
  std::vector<pybind11::object> kept;
};

// `out`: (observations, rewards, terminations, truncations), a shorter tuple, or a dict with those keys.
OutArrays parse_out(const engine::Engine& engine, pybind11::handle out, std::int64_t rows);

}  // namespace fastvec::bindings
