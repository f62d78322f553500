// fastvec._core.bare_loop: see tools/bare_loop.hpp.
#pragma once

#include <pybind11/pybind11.h>

namespace fastvec::bindings {

void register_bare_loop(pybind11::module_& module);

}  // namespace fastvec::bindings
