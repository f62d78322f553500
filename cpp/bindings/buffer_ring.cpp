#include "buffer_ring.hpp"

#include <algorithm>

#include "describe.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

namespace {

constexpr std::size_t kProbes = 8;            // buffers looked at per call
constexpr std::size_t kKept = 4;              // buffers never given back
constexpr std::int64_t kTrimInterval = 1024;  // calls

}  // namespace

BatchBuffer::BatchBuffer(const engine::Layout& layout, std::int64_t rows)
    : rows_(rows), memory_(std::make_shared<engine::BatchMemory>(layout, rows)) {
  const engine::BatchView& view = memory_->view();
  observations.resize(layout.observations.size());
  info.resize(layout.info.size());
  info_mask.resize(layout.info.size());
  for (std::size_t i = 0; i < observations.size(); ++i) {
    add(observations[i], layout.observations[i].dtype, layout.observations[i].shape, view.observations[i]);
  }
  add(rewards, FV_FLOAT64, {}, view.rewards);
  add(terminated, FV_BOOL, {}, view.terminated);
  add(truncated, FV_BOOL, {}, view.truncated);
  for (std::size_t i = 0; i < info.size(); ++i) {
    add(info[i], layout.info[i].dtype, layout.info[i].shape, view.info[i]);
    add(info_mask[i], FV_BOOL, {}, view.info_mask[i]);
  }
}

void BatchBuffer::add(py::object& array, std::int32_t dtype, const std::vector<std::int64_t>& row_shape, void* data) {
  Template made{&array, dtype, {static_cast<py::ssize_t>(rows_)}, data, nullptr, 0};
  made.shape.insert(made.shape.end(), row_shape.begin(), row_shape.end());
  array = make(made);
  const auto* proxy = py::detail::array_proxy(array.ptr());
  made.descr = proxy->descr;
  made.flags = proxy->flags;
  arrays_.push_back(std::move(made));
}

py::object BatchBuffer::make(const Template& made) const {
  auto* owner = new std::shared_ptr<engine::BatchMemory>(memory_);
  const py::capsule base(owner, [](void* raw) { delete static_cast<std::shared_ptr<engine::BatchMemory>*>(raw); });
  return py::array(numpy_dtype(made.dtype), made.shape, made.data, base);
}

bool BatchBuffer::is_free() const {
  return std::all_of(arrays_.begin(), arrays_.end(),
                     [](const Template& made) { return Py_REFCNT(made.array->ptr()) == 1; });
}

void BatchBuffer::refresh() {
  for (Template& made : arrays_) {
    const auto* proxy = py::detail::array_proxy(made.array->ptr());
    const bool same = proxy->data == made.data && proxy->descr == made.descr && proxy->flags == made.flags &&
                      proxy->nd == static_cast<int>(made.shape.size()) &&
                      std::equal(made.shape.begin(), made.shape.end(), proxy->dimensions);
    if (same) continue;
    *made.array = make(made);
    made.descr = py::detail::array_proxy(made.array->ptr())->descr;
  }
}

BatchBuffer& BufferRing::acquire() {
  if (reuse_one_) {
    if (buffers_.empty()) buffers_.push_back(std::make_unique<BatchBuffer>(layout_, rows_));
    return *buffers_[0];
  }
  if (++acquired_ % kTrimInterval == 0) trim();
  // The buffer after the last one handed out is the one whose arrays have had the longest time to go.
  const std::size_t probes = std::min(kProbes, buffers_.size());
  for (std::size_t i = 0; i < probes; ++i) {
    cursor_ = cursor_ + 1 < buffers_.size() ? cursor_ + 1 : 0;
    BatchBuffer& buffer = *buffers_[cursor_];
    if (!buffer.is_free()) continue;
    buffer.refresh();
    return buffer;
  }
  grew_ = true;
  cursor_ = std::min(cursor_ + 1, buffers_.size());
  return **buffers_.insert(buffers_.begin() + static_cast<std::ptrdiff_t>(cursor_),
                           std::make_unique<BatchBuffer>(layout_, rows_));
}

// Gives back a quarter of the free buffers, unless the ring has had to grow lately: a caller who holds many
// now and then does not pay for them each time, and one who held many once does not keep them.
void BufferRing::trim() {
  if (!std::exchange(grew_, false) && buffers_.size() > kKept) {
    std::size_t free = 0;
    for (const auto& buffer : buffers_) free += buffer->is_free() ? 1 : 0;
    std::size_t surplus = free > kKept ? (free - kKept + 3) / 4 : 0;
    for (std::size_t i = buffers_.size(); i-- > 0 && surplus > 0;) {
      if (!buffers_[i]->is_free()) continue;
      buffers_.erase(buffers_.begin() + static_cast<std::ptrdiff_t>(i));
      --surplus;
    }
    cursor_ = 0;
  }
}

}  // namespace fastvec::bindings
