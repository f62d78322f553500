#include "errors.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

namespace {

[[noreturn]] void throw_instance(const py::object& instance) {
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(instance.ptr())), instance.ptr());
  throw py::error_already_set();
}

// What an env's author wrote need not be UTF-8, and may be cut within a character.
py::str text(const std::string& message) {
  return py::reinterpret_steal<py::str>(
      PyUnicode_DecodeUTF8(message.data(), static_cast<py::ssize_t>(message.size()), "replace"));
}

}  // namespace

void raise(const char* kind, const std::string& message) {
  throw_instance(py::module_::import("fastvec.errors").attr(kind)(text(message)));
}

void raise(const engine::EngineError& error) {
  switch (error.fault()) {
    case engine::Fault::kInvalidAction: raise("InvalidActionError", error.what());
    case engine::Fault::kNeedsReset: raise("ResetNeededError", error.what());
    case engine::Fault::kWrongMode: raise("AsyncStateError", error.what());
    case engine::Fault::kTimeout: raise("CallTimeoutError", error.what());
    case engine::Fault::kInterrupted:
      throw_instance(py::reinterpret_borrow<py::object>(PyExc_KeyboardInterrupt)(text(error.what())));
    case engine::Fault::kOutOfRange:
      throw_instance(py::reinterpret_borrow<py::object>(PyExc_OverflowError)(text(error.what())));
    case engine::Fault::kInvalidArgument: break;
  }
  throw_instance(py::reinterpret_borrow<py::object>(PyExc_ValueError)(text(error.what())));
}

void raise_already_pending(const std::string& what, const std::string& pending) {
  throw_instance(py::module_::import("fastvec.errors").attr("already_pending")(what, pending));
}

void raise(const engine::EnvFailures& failures, const py::object& batch) {
  py::list list;
  for (const engine::EnvFailure& failure : failures.failures()) {
    list.append(py::make_tuple(failure.env, text(failure.message)));
  }
  throw_instance(py::module_::import("fastvec.errors").attr("EnvError")(list, batch));
}

}  // namespace fastvec::bindings
