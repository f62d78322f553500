// fastvec._core.SharedMemory and fastvec._core.Switchboard: what the process backend needs from C++.
#pragma once

#include <pybind11/pybind11.h>

namespace fastvec::bindings {

void register_signals(pybind11::module_& module);

}  // namespace fastvec::bindings
