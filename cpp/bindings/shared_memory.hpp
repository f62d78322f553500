// fastvec._core.SharedMemory and fastvec._core.CommandQueues: what the process backend needs from C++.
#pragma once

#include <pybind11/pybind11.h>

namespace fastvec::bindings {

void register_shared_memory(pybind11::module_& module);

}  // namespace fastvec::bindings
