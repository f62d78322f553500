#include "arrays.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

std::string repr(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i != 0 ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

std::vector<std::int64_t> shape_of(const py::array& array) {
  return std::vector<std::int64_t>(array.shape(), array.shape() + array.ndim());
}

std::vector<std::int64_t> batch_shape(const engine::Leaf& leaf, std::int64_t rows) {
  std::vector<std::int64_t> shape{rows};
  shape.insert(shape.end(), leaf.shape.begin(), leaf.shape.end());
  return shape;
}

std::string dtype_name(const py::array& array) { return py::str(array.dtype()); }

bool shape_matches(const py::detail::PyArray_Proxy* proxy, const engine::Leaf& leaf, std::int64_t rows) {
  if (proxy->nd != static_cast<int>(leaf.shape.size()) + 1 || proxy->dimensions[0] != rows) return false;
  for (std::size_t i = 0; i < leaf.shape.size(); ++i) {
    if (proxy->dimensions[i + 1] != leaf.shape[i]) return false;
  }
  return true;
}

// NumPy's type numbers of our dtypes. int64 has two on most platforms (long and long long).
bool has_dtype(const py::detail::PyArray_Proxy* proxy, std::int32_t dtype) {
  using Api = py::detail::npy_api;
  const int number = py::detail::array_descriptor_proxy(proxy->descr)->type_num;
  if (py::detail::array_descriptor_proxy(proxy->descr)->byteorder == '>') return false;
  switch (dtype) {
    case FV_BOOL: return number == Api::NPY_BOOL_;
    case FV_INT8: return number == Api::NPY_BYTE_;
    case FV_UINT8: return number == Api::NPY_UBYTE_;
    case FV_INT16: return number == Api::NPY_SHORT_;
    case FV_UINT16: return number == Api::NPY_USHORT_;
    case FV_INT32: return number == Api::NPY_INT_;
    case FV_UINT32: return number == Api::NPY_UINT_;
    case FV_FLOAT32: return number == Api::NPY_FLOAT_;
    case FV_FLOAT64: return number == Api::NPY_DOUBLE_;
    case FV_INT64: return number == Api::NPY_LONGLONG_ || (sizeof(long) == 8 && number == Api::NPY_LONG_);
    default: return false;
  }
}

}  // namespace fastvec::bindings
