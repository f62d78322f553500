// From the actions that callers pass to the pointers that the engine reads.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/engine.hpp"

namespace fastvec::bindings {

// Actions as one pointer per leaf. Arrays of the right dtype and layout are used where they lie; others are
// converted into arrays that this object keeps.
class Actions {
 public:
  // `rows`: how many actions are expected. `kinds`: NumPy's kinds of dtypes that the envs take, empty for all that fit;
  // it outlives this object. `own`: all are copied, so that the caller may go on with the arrays. Raises
  // InvalidActionError or ActionTypeError.
  Actions(const engine::Engine& engine, pybind11::handle actions, std::int64_t rows, const std::string& kinds,
          bool own = false);
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;

  engine::ActionView view() const { return {pointers_, float64_}; }

 private:
  static constexpr std::size_t kInline = 4;

  const void* convert(const engine::Leaf& leaf, pybind11::handle value, const std::string& where);
  void flatten(const fv_space& space, pybind11::handle value, const std::string& where);

  const engine::Engine& engine_;
  std::int64_t rows_;
  const std::string& kinds_;
  bool own_;
  bool float64_ = false;
  std::size_t count_ = 0;
  const void* inline_pointers_[kInline];
  std::vector<const void*> more_pointers_;
  const void* const* pointers_ = nullptr;
  std::vector<pybind11::object> kept_;
  std::vector<std::vector<std::byte>> copies_;
};

}  // namespace fastvec::bindings
