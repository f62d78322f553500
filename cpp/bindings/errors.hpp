// From engine errors to the exceptions of fastvec.errors.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "engine/errors.hpp"

namespace fastvec::bindings {

// Classes of fastvec.errors that the bindings raise, and RuntimeError.
enum class Error {
  kActionType,
  kAsyncState,
  kCallTimeout,
  kClosed,
  kForked,
  kInvalidAction,
  kOutType,
  kOutValue,
  kResetNeeded,
  kRuntime
};

// Looks up the classes, once, when the module is imported: raising imports nothing. Throws if one is missing.
void resolve_errors();

// Sets the Python exception and throws it.
[[noreturn]] void raise(Error kind, const std::string& message);
[[noreturn]] void raise(const engine::EngineError& error);
// Gymnasium's AlreadyPendingCallError: `what` was called while `pending` was.
[[noreturn]] void raise_already_pending(const std::string& what, const std::string& pending);
// `batch`: what the call would have returned.
[[noreturn]] void raise(const engine::EnvFailures& failures, const pybind11::object& batch);

// Runs an engine call without the GIL; a signal handler's exception wins over the engine's.
template <class Call>
void without_gil(Call&& call) {
  try {
    const pybind11::gil_scoped_release release;
    call();
  } catch (const engine::EngineError& error) {
    if (PyErr_Occurred() != nullptr) throw pybind11::error_already_set();
    raise(error);
  }
}

}  // namespace fastvec::bindings
