#include "errors.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

namespace {

[[noreturn]] void throw_instance(const py::object& instance) {
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(instance.ptr())), instance.ptr());
  throw py::error_already_set();
}

}  // namespace

void raise(const char* kind, const std::string& message) {
  throw_instance(py::module_::import("fastvec.errors").attr(kind)(message));
}

void raise(const engine::EngineError& error) {
  switch (error.fault()) {
    case engine::Fault::kInvalidAction: raise("InvalidActionError", error.what());
    case engine::Fault::kNeedsReset: raise("ResetNeededError", error.what());
    case engine::Fault::kWrongMode: raise("AsyncStateError", error.what());
    case engine::Fault::kTimeout: throw_instance(py::reinterpret_borrow<py::object>(PyExc_TimeoutError)(error.what()));
    case engine::Fault::kInterrupted:
      throw_instance(py::reinterpret_borrow<py::object>(PyExc_KeyboardInterrupt)(error.what()));
    case engine::Fault::kInvalidArgument: break;
  }
  throw_instance(py::reinterpret_borrow<py::object>(PyExc_ValueError)(error.what()));
}

void raise(const engine::EnvFailures& failures, const py::object& batch) {
  py::list list;
  for (const engine::EnvFailure& failure : failures.failures()) {
    list.append(py::make_tuple(failure.env, failure.message));
  }
  throw_instance(py::module_::import("fastvec.errors").attr("EnvError")(list, batch));
}

}  // namespace fastvec::bindings
