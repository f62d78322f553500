// What a caller's NumPy array is, against what a leaf's batch has to be.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine/layout.hpp"

namespace fastvec::bindings {

inline constexpr int kUsable =
    pybind11::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ | pybind11::detail::npy_api::NPY_ARRAY_ALIGNED_;

// As Python writes a shape: "(3,)".
std::string repr(const std::vector<std::int64_t>& shape);
std::vector<std::int64_t> shape_of(const pybind11::array& array);
std::string dtype_name(const pybind11::array& array);

// (rows, *shape of the leaf)
std::vector<std::int64_t> batch_shape(const engine::Leaf& leaf, std::int64_t rows);
bool shape_matches(const pybind11::detail::PyArray_Proxy* proxy, const engine::Leaf& leaf, std::int64_t rows);

// Whether the array's dtype is one of ours (FV_*), in this machine's byte order.
bool has_dtype(const pybind11::detail::PyArray_Proxy* proxy, std::int32_t dtype);

}  // namespace fastvec::bindings
