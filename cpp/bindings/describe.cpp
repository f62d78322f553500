#include "describe.hpp"

#include <cmath>
#include <cstring>

#include "engine/plugin.hpp"
#include "fastvec/space.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

namespace {

constexpr const char* kKwargTypes[] = {"bool", "int", "float", "str", "list[int]", "list[float]", "list[str]"};

py::object default_value(const fv_kwarg& kwarg) {
  const fv_value& value = kwarg.default_value;
  py::list list;
  switch (kwarg.type) {
    case FV_KWARG_BOOL: return py::bool_(value.i != 0);
    case FV_KWARG_INT: return py::int_(value.i);
    case FV_KWARG_FLOAT: return py::float_(value.f);
    case FV_KWARG_STRING: return py::str(value.s);
    case FV_KWARG_INT_LIST:
      for (std::int64_t i = 0; i < value.size; ++i) list.append(value.ints[i]);
      return list;
    case FV_KWARG_FLOAT_LIST:
      for (std::int64_t i = 0; i < value.size; ++i) list.append(value.floats[i]);
      return list;
    default:
      for (std::int64_t i = 0; i < value.size; ++i) list.append(py::str(value.strings[i]));
      return list;
  }
}

std::vector<py::ssize_t> space_shape(const fv_space& space) {
  return std::vector<py::ssize_t>(space.shape, space.shape + space.ndim);
}

}  // namespace

py::dtype numpy_dtype(std::int32_t dtype) {
  constexpr const char* kNames[] = {"bool",   "int8",   "int16",  "int32",   "int64",  "uint8",
                                    "uint16", "uint32", "uint64", "float32", "float64"};
  return py::dtype(kNames[dtype]);
}

py::object describe_space(const fv_space& space) {
  switch (space.kind) {
    case FV_SPACE_BOX: {
      const py::dtype dtype = numpy_dtype(space.dtype);
      return py::make_tuple("box", py::array(dtype, space_shape(space), space.low),
                            py::array(dtype, space_shape(space), space.high));
    }
    case FV_SPACE_DISCRETE: return py::make_tuple("discrete", space.n, space.start);
    case FV_SPACE_MULTI_DISCRETE:
      return py::make_tuple("multi_discrete", py::array_t<std::int64_t>(space_shape(space), space.nvec));
    case FV_SPACE_MULTI_BINARY: return py::make_tuple("multi_binary", space.shape[0]);
    default: break;
  }
  py::list children;
  for (std::int64_t i = 0; i < space.num_children; ++i) {
    py::object child = describe_space(*space.children[i]);
    if (space.kind == FV_SPACE_DICT) children.append(py::make_tuple(space.keys[i], child));
    else children.append(child);
  }
  return py::make_tuple(space.kind == FV_SPACE_DICT ? "dict" : "tuple", children);
}

py::list describe_kwargs(const fv_env_type& type) {
  py::list result;
  for (std::int64_t i = 0; i < type.num_kwargs; ++i) {
    const fv_kwarg& kwarg = *type.kwargs[i];
    result.append(py::make_tuple(kwarg.name, kKwargTypes[kwarg.type], default_value(kwarg), kwarg.doc));
  }
  return result;
}

py::list describe_options(const fv_env_type& type) {
  py::list result;
  for (std::int64_t i = 0; i < type.num_options; ++i) {
    result.append(py::make_tuple(type.options[i]->name, type.options[i]->doc));
  }
  return result;
}

py::list describe_parameters(const fv_env_type& type) {
  py::list result;
  for (std::int64_t i = 0; i < engine::num_parameters(type); ++i) {
    result.append(py::make_tuple(type.parameters[i]->name, type.parameters[i]->doc));
  }
  return result;
}

py::object describe_limits(const fv_env_type& type) {
  const auto limits = engine::registered_limits(type);
  if (!limits) return py::none();
  const bool has_limit = limits->max_episode_steps > 0, has_threshold = !std::isnan(limits->reward_threshold);
  return py::make_tuple(has_limit ? py::object(py::int_(limits->max_episode_steps)) : py::none(),
                        has_threshold ? py::object(py::float_(limits->reward_threshold)) : py::none());
}

Spec describe_spec(const fv_spec& spec) {
  py::list fields;
  for (std::int64_t i = 0; i < spec.num_info_fields; ++i) {
    const fv_info_field& field = *spec.info_fields[i];
    py::tuple shape(static_cast<std::size_t>(field.ndim));
    for (std::int32_t k = 0; k < field.ndim; ++k) shape[static_cast<std::size_t>(k)] = field.shape[k];
    fields.append(py::make_tuple(field.name, numpy_dtype(field.dtype), shape));
  }
  return {describe_space(*spec.observation_space),
          describe_space(*spec.action_space),
          fields,
          spec.accepts_float64_actions != 0,
          spec.reward_threshold,
          spec.render_fps};
}

void register_spec(py::module_& module) {
  py::class_<Spec>(module, "Spec")
      .def_readonly("observation_space", &Spec::observation_space)
      .def_readonly("action_space", &Spec::action_space)
      .def_readonly("info_fields", &Spec::info_fields)
      .def_readonly("accepts_float64_actions", &Spec::accepts_float64_actions)
      .def_readonly("reward_threshold", &Spec::reward_threshold)
      .def_readonly("render_fps", &Spec::render_fps);
}

KwargValues::KwargValues(const fv_env_type& type, const py::list& values) {
  for (std::int64_t i = 0; i < type.num_kwargs; ++i) {
    const py::handle value = values[static_cast<std::size_t>(i)];
    fv_value& out = kwargs_.values.emplace_back();
    switch (type.kwargs[i]->type) {
      case FV_KWARG_BOOL: out.i = value.cast<bool>() ? 1 : 0; break;
      case FV_KWARG_INT: out.i = value.cast<std::int64_t>(); break;
      case FV_KWARG_FLOAT: out.f = value.cast<double>(); break;
      case FV_KWARG_STRING: out.s = strings_.emplace_back(value.cast<std::string>()).c_str(); break;
      case FV_KWARG_INT_LIST: {
        auto& list = ints_.emplace_back();
        for (const py::handle item : value) list.push_back(item.cast<std::int64_t>());
        out.ints = list.data();
        out.size = static_cast<std::int64_t>(list.size());
        break;
      }
      case FV_KWARG_FLOAT_LIST: {
        auto& list = floats_.emplace_back();
        for (const py::handle item : value) list.push_back(item.cast<double>());
        out.floats = list.data();
        out.size = static_cast<std::int64_t>(list.size());
        break;
      }
      default: {
        auto& list = string_lists_.emplace_back();
        for (const py::handle item : value) list.push_back(strings_.emplace_back(item.cast<std::string>()).c_str());
        out.strings = list.data();
        out.size = static_cast<std::int64_t>(list.size());
      }
    }
  }
}

}  // namespace fastvec::bindings
