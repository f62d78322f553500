#include "program_loop.hpp"

#include <pybind11/numpy.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "errors.hpp"
#include "interrupts.hpp"
#include "platform/fork.hpp"
#include "programs/loop.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

namespace {

using Addresses = py::array_t<std::int64_t, py::array::c_style>;

void* pointer(std::uintptr_t address) { return reinterpret_cast<void*>(address); }

// An array that is used where it lies, so that it can be changed between two runs.
const std::int64_t* table(const py::handle& array, py::ssize_t calls, py::ssize_t width) {
  if (!py::isinstance<Addresses>(array)) throw py::type_error("expected addresses as a C-contiguous array of int64");
  const auto own = py::reinterpret_borrow<Addresses>(array);
  if (own.ndim() != 2 || own.shape(0) != calls || own.shape(1) != width) {
    throw py::value_error("expected strides of the shape that addresses have");
  }
  return own.data();
}

class ProgramLoop {
 public:
  ProgramLoop(std::uintptr_t gemm, const py::list& phases, int num_threads, py::function start_thread)
      : start_thread_(std::move(start_thread)), kept_(phases), loop_(num_threads, pointer(gemm), {start, this}) {
    for (const py::handle item : phases) {
      const auto phase = py::reinterpret_borrow<py::tuple>(item);
      const auto addresses = py::cast<py::array>(phase[1]);
      if (addresses.ndim() != 2) throw py::value_error("expected addresses of shape [calls, buffers]");
      const py::ssize_t calls = addresses.shape(0), width = addresses.shape(1);
      phases_.push_back({.program = reinterpret_cast<programs::Program>(phase[0].cast<std::uintptr_t>()),
                         .calls = calls,
                         .width = width,
                         .addresses = table(phase[1], calls, width),
                         .strides = table(phase[2], calls, width)});
    }
  }

  int run(std::int64_t rows) {
    if (!home_.is_here()) raise(Error::kForked, "this process was forked from the one that made this loop of programs");
    if (in_use_.exchange(true, std::memory_order_acquire)) {
      raise(Error::kRuntime, "this loop of programs is in use by another thread: expected one caller at a time");
    }
    const InUse guard{in_use_};
    programs::Outcome outcome;
    {
      const py::gil_scoped_release release;
      outcome = loop_.run(phases_, rows, kStopCheck);
    }
    if (outcome.stopped) throw py::error_already_set();
    return outcome.status;
  }

 private:
  struct InUse {
    explicit InUse(std::atomic<bool>& flag) : flag_(flag) {}
    ~InUse() { flag_.store(false, std::memory_order_release); }
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;

   private:
    std::atomic<bool>& flag_;
  };

  static void start(void* self) {
    const py::gil_scoped_acquire acquire;
    try {
      static_cast<ProgramLoop*>(self)->start_thread_();
    } catch (py::error_already_set& error) {
      error.discard_as_unraisable("the start of a thread of a loop of programs");
    }
  }

  py::function start_thread_;
  py::list kept_;  // the arrays
  std::vector<programs::Phase> phases_;
  platform::Home home_;
  std::atomic<bool> in_use_{false};
  programs::Loop loop_;
};

}  // namespace

void register_program_loop(py::module_& module) {
  using namespace py::literals;
  py::class_<ProgramLoop>(module, "ProgramLoop")
      .def(py::init<std::uintptr_t, const py::list&, int, py::function>(), "gemm"_a, "phases"_a, "num_threads"_a,
           "start_thread"_a)
      .def("run", &ProgramLoop::run, "rows"_a);
}

}  // namespace fastvec::bindings
