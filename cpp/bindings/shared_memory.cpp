#include "shared_memory.hpp"

#include <pybind11/stl.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#if !defined(_WIN32)
#include <sys/mman.h>
#endif

#include "ipc/command_queues.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

namespace {

// A file mapped into this process, shared with all others that map it.
class Mapping {
 public:
  Mapping(int file, std::size_t size) : size_(size) {
#if defined(_WIN32)
    static_cast<void>(file);
    throw std::runtime_error("shared memory is not available on this platform");
#else
    int flags = MAP_SHARED;
#if defined(MAP_NORESERVE)
    flags |= MAP_NORESERVE;
#endif
    data_ = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, file, 0);
    if (data_ == MAP_FAILED) {
      PyErr_SetFromErrno(PyExc_OSError);
      throw py::error_already_set();
    }
#endif
  }
  ~Mapping() {
#if !defined(_WIN32)
    munmap(data_, size_);
#endif
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  std::size_t size() const { return size_; }

 private:
  void* data_ = nullptr;
  std::size_t size_;
};

// A part of a mapping. Arrays made on it keep it, and so the mapping, alive; its reference count says whether any
// are left.
struct Block {
  std::shared_ptr<Mapping> mapping;
  std::size_t offset;
  std::size_t size;
};

class SharedMemory {
 public:
  SharedMemory(int file, std::size_t size) : mapping_(std::make_shared<Mapping>(file, size)) {}

  Block block(std::size_t offset, std::size_t size) const {
    if (offset > mapping_->size() || size > mapping_->size() - offset) {
      throw py::value_error("expected a block inside " + std::to_string(mapping_->size()) + " bytes, got " +
                            std::to_string(size) + " at " + std::to_string(offset));
    }
    return {mapping_, offset, size};
  }

  // Gives the pages back to the system; they read as zeros afterwards.
  void discard(std::size_t offset, std::size_t size) const {
    const Block checked = block(offset, size);
#if defined(__linux__)
    if (madvise(mapping_->data() + offset, size, MADV_REMOVE) == 0) return;
#endif
    std::memset(mapping_->data() + checked.offset, 0, checked.size);
  }

  const std::shared_ptr<Mapping>& mapping() const { return mapping_; }

 private:
  std::shared_ptr<Mapping> mapping_;
};

std::int64_t nanoseconds(std::optional<double> seconds) {
  if (!seconds) return -1;
  return *seconds <= 0.0 ? 0 : static_cast<std::int64_t>(std::min(*seconds, 1e9) * 1e9);
}

// Waits without the GIL, in slices while signals come in; Python's handlers run in between and may raise.
template <class Wait>
bool wait_for(const Wait& wait) {
  for (;;) {
    ipc::WaitResult result;
    {
      const py::gil_scoped_release release;
      result = wait();
    }
    if (result == ipc::WaitResult::kReached) return true;
    if (result == ipc::WaitResult::kTimeout) return false;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  }
}

class CommandQueues {
 public:
  CommandQueues(const SharedMemory& memory, std::size_t offset, int workers, int capacity)
      : memory_(memory.block(offset, ipc::CommandQueues::size(workers, capacity)).mapping),
        queues_(memory_->data() + offset, workers, capacity) {}

  void post(int worker, std::int32_t kind, std::int32_t first, std::int32_t second) {
    queues_.post(checked(worker), {kind, first, second});
  }
  void post_all(std::int32_t kind, std::int32_t first, std::int32_t second) {
    for (int worker = 0; worker < queues_.workers(); ++worker) queues_.post(worker, {kind, first, second});
  }
  bool wait(std::int64_t count, std::optional<double> timeout, double spin) {
    const ipc::Patience patience{nanoseconds(timeout), nanoseconds(spin)};
    return wait_for([&] { return queues_.wait(count, patience); });
  }
  py::list collect() {
    received_.clear();
    queues_.collect(received_);
    py::list result;
    for (const auto& one : received_) result.append(py::make_tuple(one.worker, one.reply.env, one.reply.flags));
    return result;
  }
  void clear(int worker) { queues_.clear(checked(worker)); }

  py::tuple next(int worker, double spin) {
    ipc::Command command;
    const ipc::Patience patience{-1, nanoseconds(spin)};
    wait_for([&] { return queues_.next(checked(worker), patience, command); });
    return py::make_tuple(command.kind, command.first, command.second);
  }
  void reply(int worker, std::int32_t env, std::int32_t flags, bool wake_now) {
    queues_.reply(checked(worker), env, flags, wake_now);
  }

 private:
  int checked(int worker) const {
    if (worker < 0 || worker >= queues_.workers()) throw py::index_error("no such worker: " + std::to_string(worker));
    return worker;
  }

  std::shared_ptr<Mapping> memory_;
  ipc::CommandQueues queues_;
  std::vector<ipc::CommandQueues::Received> received_;
};

}  // namespace

void register_shared_memory(py::module_& module) {
  using namespace py::literals;
  py::class_<Block>(module, "SharedBlock", py::buffer_protocol()).def_buffer([](Block& block) {
    return py::buffer_info(block.mapping->data() + block.offset, 1, py::format_descriptor<std::uint8_t>::format(),
                           static_cast<py::ssize_t>(block.size));
  });
  py::class_<SharedMemory>(module, "SharedMemory")
      .def(py::init<int, std::size_t>(), "file"_a, "size"_a)
      .def("block", &SharedMemory::block, "offset"_a, "size"_a)
      .def("discard", &SharedMemory::discard, "offset"_a, "size"_a);
  py::class_<CommandQueues>(module, "CommandQueues")
      .def(py::init<const SharedMemory&, std::size_t, int, int>(), "memory"_a, "offset"_a, "workers"_a, "capacity"_a)
      .def_static("size", &ipc::CommandQueues::size, "workers"_a, "capacity"_a)
      .def("post", &CommandQueues::post, "worker"_a, "kind"_a, "first"_a = 0, "second"_a = 0)
      .def("post_all", &CommandQueues::post_all, "kind"_a, "first"_a = 0, "second"_a = 0)
      .def("wait", &CommandQueues::wait, "count"_a, "timeout"_a, "spin"_a)
      .def("collect", &CommandQueues::collect)
      .def("clear", &CommandQueues::clear, "worker"_a)
      .def("next", &CommandQueues::next, "worker"_a, "spin"_a)
      .def("reply", &CommandQueues::reply, "worker"_a, "env"_a, "flags"_a, "wake_now"_a = false);
  module.def("die_with", &ipc::die_with, "parent"_a, "lifeline"_a);
}

}  // namespace fastvec::bindings
