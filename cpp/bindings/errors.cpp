#include "errors.hpp"

#include <array>

namespace fastvec::bindings {

namespace py = pybind11;

namespace {

// In the order of Error.
constexpr std::array kNames{"ActionTypeError", "AsyncStateError", "CallTimeoutError",
                            "ClosedError",     "ForkedError",     "InvalidActionError",
                            "OutTypeError",    "OutValueError",   "ResetNeededError"};

// References that are never given back: the classes live as long as the process.
struct Classes {
  std::array<PyObject*, kNames.size() + 1> by_kind{};
  PyObject* env_error = nullptr;
  PyObject* already_pending = nullptr;  // a function that makes one
};
Classes& classes() {
  static Classes resolved;
  return resolved;
}

[[noreturn]] void throw_instance(const py::object& instance) {
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(instance.ptr())), instance.ptr());
  throw py::error_already_set();
}

// What an env's author wrote need not be UTF-8, and may be cut within a character.
py::str text(const std::string& message) {
  return py::reinterpret_steal<py::str>(
      PyUnicode_DecodeUTF8(message.data(), static_cast<py::ssize_t>(message.size()), "replace"));
}

[[noreturn]] void throw_of(PyObject* kind, const std::string& message) {
  throw_instance(py::reinterpret_borrow<py::object>(kind)(text(message)));
}

}  // namespace

void resolve_errors() {
  const py::module_ errors = py::module_::import("fastvec.errors");
  const auto find = [&](const char* name) { return py::object(errors.attr(name)).release().ptr(); };
  Classes& resolved = classes();
  for (std::size_t i = 0; i < kNames.size(); ++i) resolved.by_kind[i] = find(kNames[i]);
  resolved.by_kind[static_cast<std::size_t>(Error::kRuntime)] = PyExc_RuntimeError;
  resolved.env_error = find("EnvError");
  resolved.already_pending = find("already_pending");
}

void raise(Error kind, const std::string& message) {
  throw_of(classes().by_kind[static_cast<std::size_t>(kind)], message);
}

void raise(const engine::EngineError& error) {
  switch (error.fault()) {
    case engine::Fault::kInvalidAction: raise(Error::kInvalidAction, error.what());
    case engine::Fault::kNeedsReset: raise(Error::kResetNeeded, error.what());
    case engine::Fault::kWrongMode: raise(Error::kAsyncState, error.what());
    case engine::Fault::kTimeout: raise(Error::kCallTimeout, error.what());
    case engine::Fault::kInterrupted: throw_of(PyExc_KeyboardInterrupt, error.what());
    case engine::Fault::kOutOfRange: throw_of(PyExc_OverflowError, error.what());
    case engine::Fault::kInvalidArgument: break;
  }
  throw_of(PyExc_ValueError, error.what());
}

void raise_already_pending(const std::string& what, const std::string& pending) {
  throw_instance(py::reinterpret_borrow<py::object>(classes().already_pending)(what, pending));
}

void raise(const engine::EnvFailures& failures, const py::object& batch) {
  py::list list;
  for (const engine::EnvFailure& failure : failures.failures()) {
    list.append(py::make_tuple(failure.env, text(failure.message)));
  }
  throw_instance(py::reinterpret_borrow<py::object>(classes().env_error)(list, batch));
}

}  // namespace fastvec::bindings
