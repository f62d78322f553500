#include "bare_loop.hpp"

#include <pybind11/numpy.h>

#include <vector>

#include "describe.hpp"
#include "tools/bare_loop.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

void register_bare_loop(py::module_& module) {
  module.def(
      "bare_loop",
      [](const EnvType& type, const py::list& kwargs, std::int64_t num_envs, int num_threads, std::int64_t steps,
         const py::list& actions) {
        const KwargValues values(*type.table, kwargs);
        std::vector<const void*> pointers;
        for (const py::handle leaf : actions) pointers.push_back(py::reinterpret_borrow<py::array>(leaf).data());
        const std::int64_t batches = py::reinterpret_borrow<py::array>(actions[0]).shape(0);
        const py::gil_scoped_release release;
        return tools::run_bare_loop(*type.table, values.get(), num_envs, num_threads, steps, pointers.data(), batches);
      },
      py::arg("type"), py::arg("kwargs"), py::kw_only(), py::arg("num_envs"), py::arg("num_threads"), py::arg("steps"),
      py::arg("actions"),
      "Nanoseconds of the env's own code in a plain loop; actions: (batches, num_envs, ...) per leaf.");
}

}  // namespace fastvec::bindings
