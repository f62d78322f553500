#include "actions.hpp"

#include "arrays.hpp"
#include "describe.hpp"
#include "errors.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

namespace {

bool is_numpy_array(py::handle value) { return Py_TYPE(value.ptr()) == py::detail::npy_api::get().PyArray_Type_; }

py::array as_array(py::handle value, const std::string& where) {
  try {
    return py::reinterpret_borrow<py::array>(py::module_::import("numpy").attr("asarray")(value));
  } catch (py::error_already_set& error) {
    raise(Error::kActionType,
          where + ": expected an array, got " + std::string(py::str(py::type::of(value))) + " (" + error.what() + ")");
  }
}

// Whether the squares of these numbers, with which rewards are computed, are the same in both dtypes.
bool squares_agree(const py::array& given, const py::object& converted) {
  if (given.dtype().kind() != 'i') return true;
  const py::module_ numpy = py::module_::import("numpy");
  return numpy.attr("array_equal")(numpy.attr("square")(given), numpy.attr("square")(converted)).cast<bool>();
}

}  // namespace

Actions::Actions(const engine::Engine& engine, py::handle actions, std::int64_t rows, const std::string& kinds,
                 bool own)
    : engine_(engine), rows_(rows), kinds_(kinds), own_(own) {
  const fv_space& space = *engine.spec().action_space;
  if (engine.layout().actions.size() > kInline) more_pointers_.resize(engine.layout().actions.size());
  pointers_ = more_pointers_.empty() ? inline_pointers_ : more_pointers_.data();
  flatten(space, actions, "actions");
}

void Actions::flatten(const fv_space& space, py::handle value, const std::string& where) {
  if (space.kind == FV_SPACE_TUPLE) {
    const bool is_sequence = py::isinstance<py::sequence>(value);
    if (!is_sequence || py::len(value) != static_cast<std::size_t>(space.num_children)) {
      raise(is_sequence ? Error::kInvalidAction : Error::kActionType,
            where + ": expected a tuple of " + std::to_string(space.num_children) + " arrays, got " +
                std::string(py::str(py::type::of(value))));
    }
    for (std::int64_t i = 0; i < space.num_children; ++i) {
      const py::object child = value[py::int_(i)];
      kept_.push_back(child);  // it may have been made by this very access
      flatten(*space.children[i], child, where + "[" + std::to_string(i) + "]");
    }
  } else if (space.kind == FV_SPACE_DICT) {
    if (!py::isinstance<py::dict>(value)) {
      raise(Error::kActionType, where + ": expected a dict, got " + std::string(py::str(py::type::of(value))));
    }
    for (std::int64_t i = 0; i < space.num_children; ++i) {
      const py::str key(space.keys[i]);
      if (!value.contains(key)) raise(Error::kInvalidAction, where + ": expected the key '" + space.keys[i] + "'");
      const py::object child = value[key];
      kept_.push_back(child);
      flatten(*space.children[i], child, where + "['" + space.keys[i] + "']");
    }
  } else {
    const engine::Leaf& leaf = engine_.layout().actions[count_];
    const void* pointer = convert(leaf, value, where);
    if (own_) {
      const auto* const bytes = static_cast<const std::byte*>(pointer);
      copies_.emplace_back(bytes, bytes + rows_ * leaf.row_bytes * (float64_ ? 2 : 1));
      pointer = copies_.back().data();
    }
    (more_pointers_.empty() ? inline_pointers_ : more_pointers_.data())[count_++] = pointer;
  }
}

const void* Actions::convert(const engine::Leaf& leaf, py::handle value, const std::string& where) {
  const bool wide_allowed = engine_.spec().accepts_float64_actions != 0;
  if (is_numpy_array(value)) {  // the usual case, without a call into Python
    const auto* proxy = py::detail::array_proxy(value.ptr());
    if ((proxy->flags & kUsable) == kUsable && shape_matches(proxy, leaf, rows_)) {
      if (has_dtype(proxy, leaf.dtype)) return proxy->data;
      if (wide_allowed && has_dtype(proxy, FV_FLOAT64)) {
        float64_ = true;
        return proxy->data;
      }
    }
  }

  py::array array = as_array(value, where);
  char kind = array.dtype().kind();
  const bool binary = leaf.space->kind == FV_SPACE_MULTI_BINARY || leaf.dtype == FV_BOOL;
  const bool fractions = leaf.dtype == FV_FLOAT32 || leaf.dtype == FV_FLOAT64;
  const std::string expected = where + ": expected " + std::string(py::str(numpy_dtype(leaf.dtype))) + " of shape " +
                               repr(batch_shape(leaf, rows_));
  if (array.ndim() != 0 && !fractions && (kind == 'O' || (kind == 'b' && !binary))) {
    const py::object whole = py::module_::import("fastvec.vector.whole_numbers").attr("whole_numbers")(value, kinds_);
    if (!whole.is_none()) {
      array = py::reinterpret_borrow<py::array>(whole);
      kind = 'i';
    }
  }
  const bool is_taken = kinds_.empty() || kinds_.find(kind) != std::string::npos;
  if (!is_taken || !(kind == 'i' || kind == 'u' || (binary && kind == 'b') || (fractions && kind == 'f'))) {
    raise(Error::kActionType, expected + ", got dtype " + dtype_name(array));
  }
  if (!shape_matches(py::detail::array_proxy(array.ptr()), leaf, rows_)) {
    const bool is_batch = array.ndim() != 0;  // else it is one action, which cannot be iterated over
    raise(is_batch ? Error::kInvalidAction : Error::kActionType, expected + ", got shape " + repr(shape_of(array)));
  }
  // As Gymnasium does, whole numbers and float64 for a float32 box are computed with as they come.
  // Of other dtypes it computes what float32 and float64 cannot follow: in half precision, or with integers that wrap
  // around (their squares do, of what is unsigned the negative).
  const bool wide = wide_allowed && !(kind == 'f' && array.itemsize() == 4);
  if (wide_allowed && ((kind == 'f' && array.itemsize() != 4 && array.itemsize() != 8) || kind == 'u')) {
    raise(Error::kActionType, expected + " or float64, got dtype " + dtype_name(array));
  }
  float64_ = float64_ || wide;
  const py::dtype target = numpy_dtype(wide ? static_cast<std::int32_t>(FV_FLOAT64) : leaf.dtype);
  const py::module_ numpy = py::module_::import("numpy");
  py::object converted =
      numpy.attr("require")(array.attr("astype")(target, py::arg("copy") = false), py::arg("requirements") = "CA");
  if (!fractions && !numpy.attr("can_cast")(array.dtype(), target).cast<bool>() &&
      !numpy.attr("array_equal")(converted, array).cast<bool>()) {
    raise(Error::kInvalidAction, expected + ", got values of " + dtype_name(array) + " that it cannot hold");
  }
  if (wide && !squares_agree(array, converted)) {
    raise(Error::kInvalidAction, expected + " or float64, got values of " + dtype_name(array) + " that are too large");
  }
  kept_.push_back(converted);
  return py::detail::array_proxy(converted.ptr())->data;
}

}  // namespace fastvec::bindings
