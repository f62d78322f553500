// fastvec._core: the extension module. Each concern registers itself.
#include <pybind11/pybind11.h>

#include "bare_loop.hpp"
#include "describe.hpp"
#include "engine/plugin.hpp"
#include "errors.hpp"
#include "fastvec/abi.h"
#include "probe.hpp"
#include "program_loop.hpp"
#include "shared_memory.hpp"
#include "vector_core.hpp"
#include "xla.hpp"

namespace py = pybind11;

PYBIND11_MODULE(_core, module) {
  using fastvec::bindings::EnvType;
  fastvec::bindings::resolve_errors();
  module.doc() = "The native core of fastvec. Not a public interface: use the fastvec package.";
  module.attr("__version__") = FASTVEC_VERSION;
  module.attr("abi_version") = py::make_tuple(FASTVEC_ABI_MAJOR, FASTVEC_ABI_MINOR);

  py::class_<EnvType>(module, "EnvType")
      .def_property_readonly("id", [](const EnvType& type) { return type.table->id; })
      .def_property_readonly("plugin_name", [](const EnvType& type) { return type.plugin_name; })
      .def_property_readonly("plugin_path", [](const EnvType& type) { return type.plugin_path; })
      .def_property_readonly("kwargs",
                             [](const EnvType& type) { return fastvec::bindings::describe_kwargs(*type.table); })
      .def_property_readonly("options",
                             [](const EnvType& type) { return fastvec::bindings::describe_options(*type.table); })
      .def_property_readonly("parameters",
                             [](const EnvType& type) { return fastvec::bindings::describe_parameters(*type.table); })
      .def_property_readonly("limits",
                             [](const EnvType& type) { return fastvec::bindings::describe_limits(*type.table); });

  fastvec::bindings::register_spec(module);

  module.def(
      "load_plugin",
      [](const std::string& path) {
        fastvec::engine::PluginInfo info;
        try {
          info = fastvec::engine::load_plugin(path);
        } catch (const fastvec::engine::PluginError& error) {
          PyErr_SetString(PyExc_ImportError, error.what());
          throw py::error_already_set();
        }
        py::list types;
        for (const fv_env_type* table : info.envs) types.append(EnvType{table, info.name, info.path});
        return types;
      },
      py::arg("path"));

  fastvec::bindings::register_bare_loop(module);
  fastvec::bindings::register_probe(module);
  fastvec::bindings::register_program_loop(module);
  fastvec::bindings::register_shared_memory(module);
  fastvec::bindings::register_vector_core(module);
  fastvec::bindings::register_xla(module);
}
