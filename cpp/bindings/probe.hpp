// What fastvec.testing asks of the probe (tools/probe.hpp).
#pragma once

#include <pybind11/pybind11.h>

namespace fastvec::bindings {

void register_probe(pybind11::module_& module);

}  // namespace fastvec::bindings
