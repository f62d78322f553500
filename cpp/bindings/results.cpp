#include "results.hpp"

#include <cstddef>
#include <cstring>

#include "describe.hpp"
#include "fastvec/flags.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

namespace {

// The leaves of an observation as the space has them: in tuples and dicts, or alone. `leaf(i)` is leaf i, depth first.
template <class Leaf>
py::object assemble(const fv_space& space, const Leaf& leaf, std::size_t& at) {
  if (space.kind == FV_SPACE_TUPLE) {
    py::tuple result(static_cast<std::size_t>(space.num_children));
    for (std::int64_t i = 0; i < space.num_children; ++i) {
      result[static_cast<std::size_t>(i)] = assemble(*space.children[i], leaf, at);
    }
    return result;
  }
  if (space.kind == FV_SPACE_DICT) {
    py::dict result;
    for (std::int64_t i = 0; i < space.num_children; ++i) {
      result[space.keys[i]] = assemble(*space.children[i], leaf, at);
    }
    return result;
  }
  return leaf(at++);
}

// One env's row of a leaf as an unbatched env returns it: a Python int for Discrete, a NumPy scalar for a box of one
// number, else an array of its own.
py::object single(const engine::Leaf& leaf, const void* row) {
  if (leaf.space->kind == FV_SPACE_DISCRETE) return py::int_(*static_cast<const std::int64_t*>(row));
  const std::vector<py::ssize_t> shape(leaf.shape.begin(), leaf.shape.end());
  py::array array(numpy_dtype(leaf.dtype), shape, row);  // without a base: a copy
  if (shape.empty()) return array[py::tuple()];
  return array;
}

}  // namespace

Results::Results(const engine::Engine& engine) : engine_(engine), infos_(engine.layout()) {}

py::object Results::observation(const BatchBuffer& buffer) const {
  std::size_t at = 0;
  return assemble(*engine_.spec().observation_space, [&](std::size_t i) { return buffer.observations[i]; }, at);
}

py::tuple Results::of_reset(const BatchBuffer& buffer, const OutArrays& given) const {
  return py::make_tuple(given.observations.empty() ? observation(buffer) : given.observation,
                        infos_.make(buffer.info, buffer.info_mask, buffer.view(), engine_.num_envs(), nullptr));
}

py::tuple Results::of_step(const BatchBuffer& buffer, const OutArrays& given) const {
  return py::make_tuple(given.observations.empty() ? observation(buffer) : given.observation,
                        given.rewards != nullptr ? given.reward_array : buffer.rewards,
                        given.terminated != nullptr ? given.terminated_array : buffer.terminated,
                        given.truncated != nullptr ? given.truncated_array : buffer.truncated,
                        step_info(buffer, engine_.num_envs(), nullptr));
}

py::tuple Results::of_recv(const BatchBuffer& buffer, const py::array_t<std::int64_t>& envs) const {
  py::dict info = step_info(buffer, envs.size(), envs.data());
  info["env_id"] = envs;
  return py::make_tuple(observation(buffer), buffer.rewards, buffer.terminated, buffer.truncated, info);
}

py::dict Results::step_info(const BatchBuffer& buffer, std::int64_t rows, const std::int64_t* envs) const {
  std::optional<FinalInfo> final;
  if (engine_.options().autoreset == engine::AutoresetMode::kSameStep) final = final_info(rows, envs);
  return infos_.make(buffer.info, buffer.info_mask, buffer.view(), rows, final ? &*final : nullptr);
}

std::optional<FinalInfo> Results::final_info(std::int64_t rows, const std::int64_t* envs) const {
  const std::uint8_t* const ended = engine_.final_mask();
  const auto env_of = [&](std::int64_t row) { return envs == nullptr ? row : envs[row]; };
  std::int64_t first = 0;
  if (envs == nullptr) first = next_set(ended, 0, rows);
  else
    while (first < rows && ended[envs[first]] == 0) ++first;
  if (first == rows) return std::nullopt;

  const engine::BatchView& view = engine_.final_batch();
  // A copy of the rows; those of other envs may be in use by other threads.
  const auto copied = [&](std::int32_t dtype, const std::vector<std::int64_t>& row_shape,
                          const void* data) -> py::object {
    std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(rows)};
    shape.insert(shape.end(), row_shape.begin(), row_shape.end());
    if (envs == nullptr) return py::array(numpy_dtype(dtype), shape, data);  // without a base: a copy
    py::array result(numpy_dtype(dtype), shape);
    const auto bytes = static_cast<std::size_t>(result.nbytes()) / static_cast<std::size_t>(rows);
    for (std::int64_t row = 0; row < rows; ++row) {
      std::memcpy(static_cast<std::byte*>(result.mutable_data()) + static_cast<std::size_t>(row) * bytes,
                  static_cast<const std::byte*>(data) + static_cast<std::size_t>(env_of(row)) * bytes, bytes);
    }
    return result;
  };
  const engine::Layout& layout = engine_.layout();
  const py::object mask = copied(FV_BOOL, {}, ended);
  py::array observations(py::dtype("O"), std::vector<py::ssize_t>{static_cast<py::ssize_t>(rows)});
  auto** const cells = static_cast<PyObject**>(observations.mutable_data());
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t env = env_of(row);
    py::object value = py::none();
    if (row >= first && ended[env] != 0) {
      const auto leaf = [&](std::size_t i) {
        const engine::Leaf& of = layout.observations[i];
        return single(of, static_cast<const std::byte*>(view.observations[i]) + env * of.row_bytes);
      };
      std::size_t at = 0;
      value = assemble(*engine_.spec().observation_space, leaf, at);
    }
    PyObject* const before = cells[row];
    cells[row] = value.release().ptr();
    Py_XDECREF(before);
  }

  std::vector<py::object> info, info_mask;
  engine::BatchView copies;
  for (std::size_t i = 0; i < layout.info.size(); ++i) {
    info.push_back(copied(layout.info[i].dtype, layout.info[i].shape, view.info[i]));
    py::object written = copied(FV_BOOL, {}, view.info_mask[i]).attr("__and__")(mask);
    // Rows of earlier steps are not part of this one.
    info.back()[written.attr("__invert__")()] = py::int_(0);
    copies.info.push_back(py::detail::array_proxy(info.back().ptr())->data);
    copies.info_mask.push_back(reinterpret_cast<std::uint8_t*>(py::detail::array_proxy(written.ptr())->data));
    info_mask.push_back(written);
  }
  return FinalInfo{.first = first,
                   .mask = mask,
                   .observations = observations,
                   .info = infos_.make(info, info_mask, copies, rows, nullptr)};
}

}  // namespace fastvec::bindings
