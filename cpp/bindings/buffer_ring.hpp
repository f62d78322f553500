// The arrays that step returns, and when their memory may be written again.
//
// A BatchBuffer is one batch of memory with the NumPy arrays that show it. The arrays are made once and handed
// out again and again: an array that nobody but the BatchBuffer refers to (reference count 1) is free. Whoever
// keeps the array, a view of it, a torch tensor or a memoryview on it, keeps its count above 1, and the ring takes
// another buffer. An array that outlives the ring keeps the memory alive through its base.
// All of this needs the GIL.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/layout.hpp"

namespace fastvec::bindings {

class BatchBuffer {
 public:
  BatchBuffer(const engine::Layout& layout, std::int64_t rows);

  const engine::BatchView& view() const { return memory_->view(); }
  bool is_free() const;
  // Puts right what a holder may have done to an array object (its shape, flags or dtype set in place).
  void refresh();

  std::vector<pybind11::object> observations;  // one per leaf
  pybind11::object rewards, terminated, truncated;
  std::vector<pybind11::object> info, info_mask;

 private:
  struct Template {  // what an array looked like when it was made
    pybind11::object* array;
    std::int32_t dtype;
    std::vector<pybind11::ssize_t> shape;
    void* data;
    const void* descr;
    int flags;
  };

  void add(pybind11::object& array, std::int32_t dtype, const std::vector<std::int64_t>& row_shape, void* data);
  pybind11::object make(const Template& made) const;

  std::int64_t rows_;
  std::shared_ptr<engine::BatchMemory> memory_;
  std::vector<Template> arrays_;
};

class BufferRing {
 public:
  BufferRing(const engine::Layout& layout, std::int64_t rows, bool reuse_one)
      : layout_(layout), rows_(rows), reuse_one_(reuse_one) {}

  // A buffer that nobody holds; with `reuse_one`, always the same one, held or not.
  BatchBuffer& acquire();
  std::size_t size() const { return buffers_.size(); }

 private:
  void trim();

  const engine::Layout& layout_;
  std::int64_t rows_;
  bool reuse_one_;
  std::vector<std::unique_ptr<BatchBuffer>> buffers_;
  std::size_t cursor_ = 0;
  std::int64_t acquired_ = 0;
  bool grew_ = false;  // since the last trim
};

}  // namespace fastvec::bindings
