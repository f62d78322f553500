#include "infos.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "fastvec/flags.hpp"
#include "fastvec/space.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

namespace {

// A conversion of C++; where that has none, the smallest number, as on x86.
template <class To, class From>
To converted(From value) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> && !std::is_same_v<To, bool>) {
    constexpr auto kEnd = 2.0 * static_cast<double>(std::numeric_limits<To>::max() / 2 + 1);  // exact, unlike max()
    const auto whole = std::trunc(static_cast<double>(value));
    if (!(whole >= static_cast<double>(std::numeric_limits<To>::min()) && whole < kEnd)) {
      return std::numeric_limits<To>::min();
    }
  }
  return static_cast<To>(value);
}

// Moves what is set in one field to another one of the same shape.
void move_rows(const engine::Leaf& from, std::size_t from_field, const engine::Leaf& to, std::size_t to_field,
               const engine::BatchView& view, std::int64_t rows) {
  const std::uint8_t* const set = view.info_mask[from_field];
  const std::int64_t width = from.row_bytes / static_cast<std::int64_t>(engine::dtype_bytes(from.dtype));
  const auto move = [&]<class From, class To>(From, To) {
    const auto* const source = static_cast<const From*>(view.info[from_field]);
    auto* const target = static_cast<To*>(view.info[to_field]);
    for (std::int64_t first = next_set(set, 0, rows); first < rows;) {
      const std::int64_t last = next_clear(set, first, rows);
      std::transform(source + first * width, source + last * width, target + first * width,
                     [](From value) { return converted<To>(value); });
      std::fill(view.info_mask[to_field] + first, view.info_mask[to_field] + last, std::uint8_t{1});
      first = next_set(set, last, rows);
    }
  };
  with_dtype(from.dtype, [&](auto source) { with_dtype(to.dtype, [&](auto target) { move(source, target); }); });
}

}  // namespace

InfoDicts::InfoDicts(const engine::Layout& layout) : layout_(layout) {
  for (std::size_t field = 0; field < layout.info.size(); ++field) {
    const std::string& name = layout.info[field].name;
    const auto same = [&](const Key& key) { return layout.info[key.fields[0]].name == name; };
    const auto found = std::find_if(keys_.begin(), keys_.end(), same);
    if (found == keys_.end()) {
      keys_.push_back({name, "_" + name, {field}});
      continue;
    }
    if (layout.info[found->fields[0]].shape != layout.info[field].shape) {
      throw std::invalid_argument("expected info fields with one name to have one shape, got two of '" + name + "'");
    }
    found->fields.push_back(field);
  }
}

py::dict InfoDicts::make(const std::vector<py::object>& arrays, const std::vector<py::object>& masks,
                         const engine::BatchView& view, std::int64_t rows, const FinalInfo* final) const {
  struct Entry {
    std::int64_t first;  // row that has it
    std::size_t key;
    std::size_t field;
  };
  std::vector<Entry> entries;
  entries.reserve(keys_.size());
  for (std::size_t key = 0; key < keys_.size(); ++key) {
    Entry entry{rows, key, 0};
    for (const std::size_t field : keys_[key].fields) {
      const std::int64_t first = next_set(view.info_mask[field], 0, rows);
      if (first < entry.first) entry = {first, key, field};
    }
    if (entry.first == rows) continue;
    for (const std::size_t field : keys_[key].fields) {
      if (field == entry.field) continue;
      move_rows(layout_.info[field], field, layout_.info[entry.field], entry.field, view, rows);
    }
    entries.push_back(entry);
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.first != b.first ? a.first < b.first : a.key < b.key; });

  py::dict info;
  const auto add_final = [&] {
    info["final_obs"] = final->observations;
    info["_final_obs"] = final->mask;
    info["final_info"] = final->info;
    info["_final_info"] = final->mask.attr("copy")();
    final = nullptr;
  };
  for (const Entry& entry : entries) {
    if (final != nullptr && final->first <= entry.first) add_final();  // before the info of the reset
    info[keys_[entry.key].name] = arrays[entry.field];
    info[keys_[entry.key].mask_name] = masks[entry.field];
  }
  if (final != nullptr) add_final();
  return info;
}

}  // namespace fastvec::bindings
