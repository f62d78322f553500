// fastvec/detail/registration.hpp: the ids of a library, as the tables of abi.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "fastvec/abi.h"
#include "fastvec/detail/guarded.hpp"
#include "fastvec/detail/requirements.hpp"
#include "fastvec/detail/tables.hpp"
#include "fastvec/detail/traits.hpp"
#include "fastvec/detail/vector.hpp"
#include "fastvec/inline.hpp"
#include "fastvec/spec.hpp"

namespace fastvec::detail {

// An id with its limits and default keyword arguments, and its fv_env_type. To make one runs none of the env's code but
// the Config's own: its constructor, `kwargs()` and `parameters()`.
template <class Env>
class Registration {
 public:
  using Config = typename Env::Config;

  FASTVEC_COLD Registration(const char* id, Limits limits, Config defaults)
      : limits_(limits), kwargs_(std::make_unique<KwargTable<Config>>(std::move(defaults))) {
    type_.type = Vector<Env>::table();
    type_.type.create = create;
    type_.type.id = id;
    type_.type.max_episode_steps = limits.max_episode_steps;
    type_.type.reward_threshold = limits.reward_threshold;
    type_.type.num_kwargs = kwargs_->size();
    type_.type.kwargs = kwargs_->data();
    if constexpr (Offers<Env>::kNumOptions != 0) {
      for (std::size_t i = 0; i < options_.size(); ++i) {
        options_[i] = {sizeof(fv_option), 0, Env::kOptions[i].name, Env::kOptions[i].doc};
      }
    }
  }

  // To be called once this object has its final address.
  const fv_env_type* table() {
    if constexpr (Offers<Env>::kNumOptions != 0) {
      for (std::size_t i = 0; i < options_.size(); ++i) option_pointers_[i] = &options_[i];
      type_.type.num_options = static_cast<std::int64_t>(options_.size());
      type_.type.options = option_pointers_.data();
    }
    type_.owner = this;
    return &type_.type;
  }

 private:
  struct Typed {
    fv_env_type type{};
    Registration* owner = nullptr;
  };
  static_assert(std::is_standard_layout_v<Typed>);

  static void* create(const fv_env_type* type, const fv_value* kwargs, std::int64_t num_envs, fv_error* error) {
    void* made = nullptr;
    guarded(error, [&] {
      const Registration& self = *reinterpret_cast<const Typed*>(type)->owner;  // `type` is the first member of Typed
      made = new Vector<Env>(self.kwargs_->read(kwargs), self.limits_, num_envs);
    });
    return made;
  }

  Typed type_;
  Limits limits_;
  std::unique_ptr<KwargTable<Config>> kwargs_;
  std::array<fv_option, Offers<Env>::kNumOptions> options_{};
  std::array<const fv_option*, Offers<Env>::kNumOptions> option_pointers_{};
};

// All ids of one library.
class Plugin {
 public:
  template <class... Entries>
  FASTVEC_COLD explicit Plugin(const char* name, Entries... entries) {
    (add(std::make_shared<Entries>(std::move(entries))), ...);
    table_.struct_size = sizeof table_;
    table_.abi_major = FASTVEC_ABI_MAJOR;
    table_.abi_minor = FASTVEC_ABI_MINOR;
    table_.name = name;
    table_.num_envs = static_cast<std::int64_t>(types_.size());
    table_.envs = types_.data();
  }
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  const fv_plugin* table() const { return &table_; }

 private:
  template <class Env>
  void add(std::shared_ptr<Registration<Env>> registration) {
    types_.push_back(registration->table());
    owned_.push_back(std::move(registration));
  }
  void add(std::shared_ptr<Refused>) {}

  fv_plugin table_{};
  std::vector<const fv_env_type*> types_;
  std::vector<std::shared_ptr<void>> owned_;
};

}  // namespace fastvec::detail
