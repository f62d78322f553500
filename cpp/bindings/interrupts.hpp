// Looking for Ctrl-C in the middle of a call that has let go of the GIL.
#pragma once

#include <pybind11/pybind11.h>

#include "engine/thread_pool.hpp"

namespace fastvec::bindings {

// True if a signal handler of Python's raised, whose exception is then set.
inline bool interrupted(void* /*context*/) {
  const pybind11::gil_scoped_acquire acquire;
  return PyErr_CheckSignals() != 0;
}

inline constexpr engine::StopCheck kStopCheck{interrupted, nullptr};

}  // namespace fastvec::bindings
