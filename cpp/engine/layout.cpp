#include "engine/layout.hpp"

#include <cstring>
#include <new>

#include "fastvec/space.hpp"

namespace fastvec::engine {

namespace {

constexpr std::size_t kLine = 64;  // bytes; also the alignment that vector loads want

std::int64_t product(const std::vector<std::int64_t>& shape) {
  std::int64_t result = 1;
  for (const std::int64_t extent : shape) result *= extent;
  return result;
}

void collect(const fv_space& space, std::vector<Leaf>& leaves) {
  if (space.kind == FV_SPACE_TUPLE || space.kind == FV_SPACE_DICT) {
    for (std::int64_t i = 0; i < space.num_children; ++i) collect(*space.children[i], leaves);
    return;
  }
  Leaf leaf;
  leaf.dtype = space.dtype;
  leaf.shape.assign(space.shape, space.shape + space.ndim);
  leaf.row_bytes = product(leaf.shape) * static_cast<std::int64_t>(dtype_bytes(leaf.dtype));
  leaf.space = &space;
  leaves.push_back(std::move(leaf));
}

}  // namespace

std::size_t dtype_bytes(std::int32_t dtype) { return dtype_size(dtype); }

Layout::Layout(const fv_spec& spec) {
  collect(*spec.observation_space, observations);
  collect(*spec.action_space, actions);
  for (std::int64_t i = 0; i < spec.num_info_fields; ++i) {
    const fv_info_field& field = *spec.info_fields[i];
    InfoLeaf leaf;
    leaf.name = field.name;
    leaf.dtype = field.dtype;
    leaf.shape.assign(field.shape, field.shape + field.ndim);
    leaf.row_bytes = product(leaf.shape) * static_cast<std::int64_t>(dtype_bytes(leaf.dtype));
    info.push_back(std::move(leaf));
  }
}

BatchMemory::BatchMemory(const Layout& layout, std::int64_t rows) {
  std::vector<std::size_t> offsets;
  std::size_t total = 0;
  const auto reserve = [&](std::int64_t row_bytes) {
    offsets.push_back(total);
    total += (static_cast<std::size_t>(row_bytes * rows) + kLine - 1) / kLine * kLine;
  };
  for (const Leaf& leaf : layout.observations) reserve(leaf.row_bytes);
  reserve(sizeof(double));
  reserve(1);
  reserve(1);
  for (const InfoLeaf& leaf : layout.info) {
    reserve(leaf.row_bytes);
    reserve(1);
  }
  block_.reset(static_cast<std::byte*>(::operator new(total, std::align_val_t{kLine})));
  std::memset(block_.get(), 0, total);
  bytes_ = static_cast<std::int64_t>(total);

  std::size_t at = 0;
  const auto next = [&]() -> void* { return block_.get() + offsets[at++]; };
  for (std::size_t i = 0; i < layout.observations.size(); ++i) view_.observations.push_back(next());
  view_.rewards = static_cast<double*>(next());
  view_.terminated = static_cast<std::uint8_t*>(next());
  view_.truncated = static_cast<std::uint8_t*>(next());
  for (std::size_t i = 0; i < layout.info.size(); ++i) {
    view_.info.push_back(next());
    view_.info_mask.push_back(static_cast<std::uint8_t*>(next()));
  }
}

fv_io io_of(const BatchView& view, fv_rng* rngs) {
  fv_io io{};
  io.struct_size = sizeof io;
  io.observations = view.observations.data();
  io.rewards = view.rewards;
  io.terminated = view.terminated;
  io.truncated = view.truncated;
  io.info = view.info.data();
  io.info_mask = view.info_mask.data();
  io.rngs = rngs;
  return io;
}

void BatchMemory::Free::operator()(std::byte* block) const { ::operator delete(block, std::align_val_t{kLine}); }

}  // namespace fastvec::engine
