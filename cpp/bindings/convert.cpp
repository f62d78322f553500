#include "convert.hpp"

#include <array>
#include <string_view>

#include "describe.hpp"
#include "errors.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

namespace {

constexpr int kUsable = py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_;

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

bool is_numpy_array(py::handle value) { return Py_TYPE(value.ptr()) == py::detail::npy_api::get().PyArray_Type_; }

py::array as_array(py::handle value, const std::string& where) {
  try {
    return py::reinterpret_borrow<py::array>(py::module_::import("numpy").attr("asarray")(value));
  } catch (py::error_already_set& error) {
    raise("ActionTypeError",
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
      raise(is_sequence ? "InvalidActionError" : "ActionTypeError",
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
      raise("ActionTypeError", where + ": expected a dict, got " + std::string(py::str(py::type::of(value))));
    }
    for (std::int64_t i = 0; i < space.num_children; ++i) {
      const py::str key(space.keys[i]);
      if (!value.contains(key)) raise("InvalidActionError", where + ": expected the key '" + space.keys[i] + "'");
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
    raise("ActionTypeError", expected + ", got dtype " + dtype_name(array));
  }
  if (!shape_matches(py::detail::array_proxy(array.ptr()), leaf, rows_)) {
    const bool is_batch = array.ndim() != 0;  // else it is one action, which cannot be iterated over
    raise(is_batch ? "InvalidActionError" : "ActionTypeError", expected + ", got shape " + repr(shape_of(array)));
  }
  // As Gymnasium does, whole numbers and float64 for a float32 box are computed with as they come.
  // Of other dtypes it computes what float32 and float64 cannot follow: in half precision, or with integers that wrap
  // around (their squares do, of what is unsigned the negative).
  const bool wide = wide_allowed && !(kind == 'f' && array.itemsize() == 4);
  if (wide_allowed && ((kind == 'f' && array.itemsize() != 4 && array.itemsize() != 8) || kind == 'u')) {
    raise("ActionTypeError", expected + " or float64, got dtype " + dtype_name(array));
  }
  float64_ = float64_ || wide;
  const py::dtype target = numpy_dtype(wide ? static_cast<std::int32_t>(FV_FLOAT64) : leaf.dtype);
  const py::module_ numpy = py::module_::import("numpy");
  py::object converted =
      numpy.attr("require")(array.attr("astype")(target, py::arg("copy") = false), py::arg("requirements") = "CA");
  if (!fractions && !numpy.attr("can_cast")(array.dtype(), target).cast<bool>() &&
      !numpy.attr("array_equal")(converted, array).cast<bool>()) {
    raise("InvalidActionError", expected + ", got values of " + dtype_name(array) + " that it cannot hold");
  }
  if (wide && !squares_agree(array, converted)) {
    raise("InvalidActionError", expected + " or float64, got values of " + dtype_name(array) + " that are too large");
  }
  kept_.push_back(converted);
  return py::detail::array_proxy(converted.ptr())->data;
}

namespace {

// What is wrong with a caller's array: says what was expected and what came. Never returns.
[[noreturn]] void refuse_out(const engine::Leaf& leaf, std::int64_t rows, const std::string& where,
                             const std::string& got, bool is_type) {
  raise(is_type ? "OutTypeError" : "OutValueError", where +
                                                        ": expected a writable, C-contiguous array or CPU tensor of " +
                                                        std::string(py::str(numpy_dtype(leaf.dtype))) + " and shape " +
                                                        repr(batch_shape(leaf, rows)) + ", got " + got);
}

// The memory of a caller's array: NumPy, or whatever offers .numpy() on shared memory (a CPU torch tensor).
void* writable(py::handle value, const engine::Leaf& leaf, std::int64_t rows, std::string_view where,
               std::vector<py::object>& kept) {
  constexpr int kWanted = kUsable | py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  py::object object = py::reinterpret_borrow<py::object>(value);
  const auto refuse = [&](const std::string& got, bool is_type) {
    refuse_out(leaf, rows, std::string(where), got, is_type);
  };
  if (!py::isinstance<py::array>(object)) {
    if (!py::hasattr(object, "numpy")) refuse(py::str(py::type::of(value)), true);
    try {
      object = object.attr("numpy")();
    } catch (py::error_already_set& error) {
      refuse(std::string("one without memory to share: ") + error.what(), true);
    }
    if (!py::isinstance<py::array>(object)) refuse(py::str(py::type::of(value)), true);
  }
  const auto array = py::reinterpret_borrow<py::array>(object);
  const auto* proxy = py::detail::array_proxy(array.ptr());
  if (!has_dtype(proxy, leaf.dtype) && !array.dtype().equal(numpy_dtype(leaf.dtype))) {
    refuse("dtype " + dtype_name(array), true);
  }
  if (!shape_matches(proxy, leaf, rows)) refuse("shape " + repr(shape_of(array)), false);
  if ((proxy->flags & kUsable) != kUsable) refuse("one that is not contiguous", false);
  if ((proxy->flags & kWanted) != kWanted) refuse("a read-only one", false);
  kept.push_back(array);
  return proxy->data;
}

void flatten_out(const engine::Engine& engine, const fv_space& space, py::handle value, std::int64_t rows,
                 const std::string& where, OutArrays& out) {
  if (space.kind == FV_SPACE_TUPLE || space.kind == FV_SPACE_DICT) {
    for (std::int64_t i = 0; i < space.num_children; ++i) {
      const py::object key = space.kind == FV_SPACE_DICT ? py::object(py::str(space.keys[i])) : py::object(py::int_(i));
      py::object child;
      try {
        child = value[key];
      } catch (py::error_already_set&) {
        raise("OutTypeError",
              where + ": expected one array per leaf of the observation space, got no " + std::string(py::repr(key)));
      }
      flatten_out(engine, *space.children[i], child, rows, where + "[" + std::string(py::repr(key)) + "]", out);
    }
    return;
  }
  const engine::Leaf& leaf = engine.layout().observations[out.observations.size()];
  out.observations.push_back(writable(value, leaf, rows, where, out.kept));
}

}  // namespace

OutArrays parse_out(const engine::Engine& engine, py::handle out, std::int64_t rows) {
  constexpr std::array<const char*, 4> kNames{"observations", "rewards", "terminations", "truncations"};
  std::array<py::object, 4> given;
  if (py::isinstance<py::dict>(out)) {
    for (const auto& [key, value] : py::reinterpret_borrow<py::dict>(out)) {
      const std::string name = py::str(key);
      std::size_t at = 0;
      while (at < kNames.size() && name != kNames[at]) ++at;
      if (at == kNames.size()) {
        raise("OutValueError",
              "out: expected the keys observations, rewards, terminations and truncations, got '" + name + "'");
      }
      given[at] = py::reinterpret_borrow<py::object>(value);
    }
  } else if (py::isinstance<py::tuple>(out) || py::isinstance<py::list>(out)) {
    const auto sequence = py::reinterpret_borrow<py::sequence>(out);
    if (sequence.size() == 0 || sequence.size() > kNames.size()) {
      raise("OutValueError", "out: expected (observations, rewards, terminations, truncations), got " +
                                 std::to_string(sequence.size()) + " items");
    }
    for (std::size_t i = 0; i < sequence.size(); ++i) given[i] = sequence[i];
  } else {
    raise("OutTypeError",
          "out: expected a tuple (observations, rewards, terminations, truncations) or a dict with "
          "these keys, got " +
              std::string(py::str(py::type::of(out))));
  }

  static const engine::Leaf kReward{.dtype = FV_FLOAT64, .shape = {}, .row_bytes = sizeof(double), .space = nullptr};
  static const engine::Leaf kFlag{.dtype = FV_BOOL, .shape = {}, .row_bytes = 1, .space = nullptr};
  OutArrays result;
  const auto has = [&](std::size_t i) { return given[i] && !given[i].is_none(); };
  if (has(0)) {
    result.observation = given[0];
    flatten_out(engine, *engine.spec().observation_space, given[0], rows, "out observations", result);
  }
  if (has(1)) result.rewards = writable(result.reward_array = given[1], kReward, rows, "out rewards", result.kept);
  if (has(2)) {
    result.terminated = writable(result.terminated_array = given[2], kFlag, rows, "out terminations", result.kept);
  }
  if (has(3)) {
    result.truncated = writable(result.truncated_array = given[3], kFlag, rows, "out truncations", result.kept);
  }
  return result;
}

}  // namespace fastvec::bindings
