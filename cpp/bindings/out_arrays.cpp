#include "out_arrays.hpp"

#include <array>
#include <string_view>

#include "arrays.hpp"
#include "describe.hpp"
#include "errors.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

namespace {

// What is wrong with a caller's array: says what was expected and what came. Never returns.
[[noreturn]] void refuse_out(const engine::Leaf& leaf, std::int64_t rows, const std::string& where,
                             const std::string& got, bool is_type) {
  raise(is_type ? Error::kOutType : Error::kOutValue,
        where + ": expected a writable, C-contiguous array or CPU tensor of " +
            std::string(py::str(numpy_dtype(leaf.dtype))) + " and shape " + repr(batch_shape(leaf, rows)) + ", got " +
            got);
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
        raise(Error::kOutType,
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
        raise(Error::kOutValue,
              "out: expected the keys observations, rewards, terminations and truncations, got '" + name + "'");
      }
      given[at] = py::reinterpret_borrow<py::object>(value);
    }
  } else if (py::isinstance<py::tuple>(out) || py::isinstance<py::list>(out)) {
    const auto sequence = py::reinterpret_borrow<py::sequence>(out);
    if (sequence.empty() || sequence.size() > kNames.size()) {
      raise(Error::kOutValue, "out: expected (observations, rewards, terminations, truncations), got " +
                                  std::to_string(sequence.size()) + " items");
    }
    for (std::size_t i = 0; i < sequence.size(); ++i) given[i] = sequence[i];
  } else {
    raise(Error::kOutType,
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
