// fastvec/detail/tables.hpp: turns Space, Spec and Kwarg values into the C structs of abi.h.
// Each class here owns the memory that its C structs point to, and is not copied after that.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "fastvec/abi.h"
#include "fastvec/inline.hpp"
#include "fastvec/rows.hpp"
#include "fastvec/space.hpp"
#include "fastvec/spec.hpp"

namespace fastvec::detail {

// A Space with the fv_space tree that describes it, and what its leaves look like.
class SpaceTable {
 public:
  explicit SpaceTable(Space space) : space_(std::move(space)) { root_ = describe(space_); }
  SpaceTable(const SpaceTable&) = delete;
  SpaceTable& operator=(const SpaceTable&) = delete;

  const fv_space* root() const { return root_; }
  const std::vector<const Space*>& leaves() const { return leaves_; }
  Columns columns() const { return columns_; }

 private:
  struct Node {
    fv_space space{};
    std::vector<const fv_space*> children;
    std::vector<const char*> keys;
  };

  FASTVEC_COLD const fv_space* describe(const Space& space) {
    if (space.is_leaf()) {
      leaves_.push_back(&space);
      columns_.push_back({space.size(), space.dtype});
    }
    Node& node = nodes_.emplace_back();
    for (const Space& child : space.children) node.children.push_back(describe(child));
    for (const std::string& key : space.keys) node.keys.push_back(key.c_str());
    fv_space& out = node.space;
    out.struct_size = sizeof out;
    out.kind = space.kind;
    out.dtype = space.dtype;
    out.ndim = static_cast<std::int32_t>(space.shape.size());
    out.shape = space.shape.data();
    out.low = space.low.data();
    out.high = space.high.data();
    out.n = space.n;
    out.start = space.start;
    out.nvec = space.nvec.data();
    out.num_children = static_cast<std::int64_t>(node.children.size());
    out.children = node.children.data();
    out.keys = node.keys.data();
    return &out;
  }

  Space space_;
  std::deque<Node> nodes_;  // a deque, so that addresses stay
  std::vector<const Space*> leaves_;
  std::vector<Column> columns_;
  const fv_space* root_ = nullptr;
};

// A Spec with its fv_spec.
class SpecTable {
 public:
  FASTVEC_COLD SpecTable(Spec spec, const Limits& limits, std::int64_t state_size, bool accepts_float64)
      : observation(std::move(spec.observation)), action(std::move(spec.action)), info_(std::move(spec.info)) {
    fields_.reserve(info_.size());
    for (const InfoField& field : info_) {
      std::int64_t width = 1;
      for (const std::int64_t extent : field.shape) width *= extent;
      info_columns.push_back({width, field.dtype});
      fields_.push_back({.struct_size = sizeof(fv_info_field),
                         .dtype = field.dtype,
                         .name = field.name.c_str(),
                         .ndim = static_cast<std::int32_t>(field.shape.size()),
                         .reserved = 0,
                         .shape = field.shape.data()});
    }
    for (const fv_info_field& field : fields_) field_pointers_.push_back(&field);
    table_ = {};
    table_.struct_size = sizeof table_;
    table_.observation_space = observation.root();
    table_.action_space = action.root();
    table_.max_episode_steps = spec.max_episode_steps >= 0 ? spec.max_episode_steps : limits.max_episode_steps;
    table_.reward_threshold = limits.reward_threshold;
    table_.num_info_fields = static_cast<std::int64_t>(field_pointers_.size());
    table_.info_fields = field_pointers_.data();
    table_.state_size = state_size;
    table_.render_height = spec.render_height;
    table_.render_width = spec.render_width;
    table_.render_fps = spec.render_fps;
    // (Of several leaves some might come as float64 and others not.)
    const bool is_float32 = action.columns().size() == 1 && action.columns()[0].dtype == FV_FLOAT32;
    table_.accepts_float64_actions = accepts_float64 && is_float32 ? 1 : 0;
  }
  SpecTable(const SpecTable&) = delete;
  SpecTable& operator=(const SpecTable&) = delete;

  const fv_spec* table() const { return &table_; }

  SpaceTable observation;
  SpaceTable action;
  std::vector<Column> info_columns;

 private:
  std::vector<InfoField> info_;
  std::vector<fv_info_field> fields_;
  std::vector<const fv_info_field*> field_pointers_;
  fv_spec table_;
};

// The FV_KWARG_* type of a Config member, and its way to and from fv_value.
template <class T>
constexpr std::int32_t kwarg_type() {
  if constexpr (std::is_same_v<T, bool>) return FV_KWARG_BOOL;
  else if constexpr (std::is_integral_v<T>) return FV_KWARG_INT;
  else if constexpr (std::is_floating_point_v<T>) return FV_KWARG_FLOAT;
  else if constexpr (std::is_same_v<T, std::string>) return FV_KWARG_STRING;
  else if constexpr (std::is_same_v<T, std::vector<std::int64_t>>) return FV_KWARG_INT_LIST;
  else if constexpr (std::is_same_v<T, std::vector<double>>) return FV_KWARG_FLOAT_LIST;
  else {
    static_assert(std::is_same_v<T, std::vector<std::string>>,
                  "a keyword argument is bool, an integer, float, double, std::string, or a std::vector of "
                  "std::int64_t, double or std::string");
    return FV_KWARG_STRING_LIST;
  }
}

template <class T>
void read_kwarg(const fv_value& value, const char* name, T& target) {
  constexpr std::int32_t type = kwarg_type<T>();
  if constexpr (type == FV_KWARG_BOOL) target = value.i != 0;
  else if constexpr (type == FV_KWARG_INT) {
    if (!std::in_range<T>(value.i)) {
      throw InvalidArgument(std::string(name) + "=" + std::to_string(value.i) + " is out of range");
    }
    target = static_cast<T>(value.i);
  } else if constexpr (type == FV_KWARG_FLOAT) target = static_cast<T>(value.f);
  else if constexpr (type == FV_KWARG_STRING) target = value.s;
  else if constexpr (type == FV_KWARG_INT_LIST) target.assign(value.ints, value.ints + value.size);
  else if constexpr (type == FV_KWARG_FLOAT_LIST) target.assign(value.floats, value.floats + value.size);
  else target.assign(value.strings, value.strings + value.size);
}

// The keyword arguments of one id: names, types and this id's defaults.
template <class Config>
class KwargTable {
 public:
  FASTVEC_COLD explicit KwargTable(Config defaults) : defaults_(std::move(defaults)) {
    if constexpr (requires { Config::kwargs(); }) {
      std::apply([&self = *this](const auto&... kwarg) { (self.add(kwarg), ...); }, Config::kwargs());
    }
    for (const fv_kwarg& kwarg : kwargs_) pointers_.push_back(&kwarg);
  }
  KwargTable(const KwargTable&) = delete;
  KwargTable& operator=(const KwargTable&) = delete;

  std::int64_t size() const { return static_cast<std::int64_t>(pointers_.size()); }
  const fv_kwarg* const* data() const { return pointers_.data(); }

  // The Config that these values, one per kwarg in order, describe.
  FASTVEC_COLD Config read(const fv_value* values) const {
    Config config = defaults_;
    if constexpr (requires { Config::kwargs(); }) {
      std::size_t at = 0;
      std::apply([&](const auto&... kwarg) { (read_kwarg(values[at++], kwarg.name, config.*(kwarg.member)), ...); },
                 Config::kwargs());
    }
    return config;
  }

 private:
  template <class T>
  void add(const Kwarg<Config, T>& kwarg) {
    const T& value = defaults_.*(kwarg.member);
    fv_kwarg& out = kwargs_.emplace_back();
    out.struct_size = sizeof out;
    out.type = kwarg_type<T>();
    out.name = kwarg.name;
    out.doc = kwarg.doc;
    if constexpr (std::is_integral_v<T>) out.default_value.i = static_cast<std::int64_t>(value);
    else if constexpr (std::is_floating_point_v<T>) out.default_value.f = value;
    else if constexpr (std::is_same_v<T, std::string>) out.default_value.s = value.c_str();
    else {
      out.default_value.size = static_cast<std::int64_t>(value.size());
      if constexpr (std::is_same_v<T, std::vector<std::int64_t>>) out.default_value.ints = value.data();
      else if constexpr (std::is_same_v<T, std::vector<double>>) out.default_value.floats = value.data();
      else {
        auto& list = string_lists_.emplace_back();
        for (const std::string& text : value) list.push_back(text.c_str());
        out.default_value.strings = list.data();
      }
    }
  }

  Config defaults_;
  std::deque<fv_kwarg> kwargs_;
  std::deque<std::vector<const char*>> string_lists_;
  std::vector<const fv_kwarg*> pointers_;
};

}  // namespace fastvec::detail
