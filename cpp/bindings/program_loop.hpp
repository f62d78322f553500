// fastvec._core.ProgramLoop: see programs/loop.hpp.
#pragma once

#include <pybind11/pybind11.h>

namespace fastvec::bindings {

void register_program_loop(pybind11::module_& module);

}  // namespace fastvec::bindings
