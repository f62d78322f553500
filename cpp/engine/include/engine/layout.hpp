// The shape of a batch: which arrays a vector reads and writes, and where they lie in one block of memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fastvec/abi.h"

namespace fastvec::engine {

// One array of the batch: `row_bytes` per env.
struct Leaf {
  std::int32_t dtype = FV_FLOAT32;
  std::vector<std::int64_t> shape;  // of one env's row
  std::int64_t row_bytes = 0;
  const fv_space* space = nullptr;  // null for info fields
};

struct InfoLeaf : Leaf {
  std::string name;
};

// Everything about a vector's arrays that follows from its fv_spec.
struct Layout {
  explicit Layout(const fv_spec& spec);

  std::vector<Leaf> observations;
  std::vector<Leaf> actions;
  std::vector<InfoLeaf> info;
};

// Where one batch is written: row r of every array belongs together.
struct BatchView {
  std::vector<void*> observations;
  double* rewards = nullptr;
  std::uint8_t* terminated = nullptr;
  std::uint8_t* truncated = nullptr;
  std::vector<void*> info;
  std::vector<std::uint8_t*> info_mask;
};

// The table's view of a batch, without actions and options, for envs with these generators. It points into `view`.
fv_io io_of(const BatchView& view, fv_rng* rngs);

// Memory for one batch of `rows` rows: a single block, every array on a cache line of its own.
class BatchMemory {
 public:
  BatchMemory(const Layout& layout, std::int64_t rows);

  const BatchView& view() const { return view_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(std::byte* block) const;
  };

  BatchView view_;
  std::int64_t bytes_ = 0;
  std::unique_ptr<std::byte[], Free> block_;
};

std::size_t dtype_bytes(std::int32_t dtype);

}  // namespace fastvec::engine
