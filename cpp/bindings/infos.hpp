// From the info columns of a batch to Gymnasium's info dictionary.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <vector>

#include "engine/layout.hpp"

namespace fastvec::bindings {

// What SameStep adds to the info of a batch, of the episodes that ended in it.
struct FinalInfo {
  std::int64_t first;             // the first row in which one ended
  pybind11::object mask;          // bool per row
  pybind11::object observations;  // an object per row, None where none ended
  pybind11::object info;
};

// The dictionary is the one that `gymnasium.vector.VectorEnv._add_info` makes of the envs' infos in order, the order
// of its keys included: a key stands where the first env that has it puts it. A key that no env wrote is absent.
// Of several fields with one name the first env that wrote one decides the dtype, and the others' values are cast.
class InfoDicts {
 public:
  // Throws std::invalid_argument if fields with one name differ in shape.
  explicit InfoDicts(const engine::Layout& layout);

  // `arrays` and `masks`: per field, on the memory of `view`. `final`: may be null. Needs the GIL.
  pybind11::dict make(const std::vector<pybind11::object>& arrays, const std::vector<pybind11::object>& masks,
                      const engine::BatchView& view, std::int64_t rows, const FinalInfo* final) const;

 private:
  struct Key {
    pybind11::str name, mask_name;
    std::vector<std::size_t> fields;
  };

  const engine::Layout& layout_;
  std::vector<Key> keys_;
};

}  // namespace fastvec::bindings
