// fastvec/detail/own_parameters.hpp: the Config and the Shared of each env, where set_attr gave some their own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "fastvec/detail/flags.hpp"
#include "fastvec/detail/parameters.hpp"

namespace fastvec::detail {

// Most envs have the vector's parameters; an env has an Own when its parameters differ, and all envs with the same
// different ones have one in common: a Shared may hold 100 MB. One that nobody uses any more is gone at once.
// `set` is called by one thread with no range call under way; the rest may be read by many.
template <class Config, class Shared>
class OwnParameters {
 public:
  // `config`: the vector's.
  explicit OwnParameters(const Config& config) : config_(config) {}

  bool empty() const { return own_.empty(); }

  const Config& config(std::int64_t env) const {
    const Entry* own = find(env);
    return own == nullptr ? config_ : own->config;
  }

  // `vectors`: that of the vector, for the envs without one of their own.
  const Shared& shared(std::int64_t env, const Shared& vectors) const {
    const Entry* own = find(env);
    return own == nullptr ? vectors : own->shared();
  }

  // The first env from `first + 1` on, up to `last`, with other parameters than its neighbour before. Not while empty.
  std::int64_t end_of_run(std::int64_t first, std::int64_t last) const {
    return next_set(differs_.data(), first + 1, last);
  }

  std::int64_t bytes_per_env() const {
    if (empty()) return 0;
    const std::size_t each = sizeof(std::shared_ptr<const Entry>) + sizeof(std::uint8_t);
    return static_cast<std::int64_t>(each + in_use_.size() * sizeof(Entry) / own_.size());
  }

  // Sets one parameter of one env. `accept(shared)` throws if the author does not allow what comes of it; then, as
  // for a value that the member cannot hold, nothing has changed.
  template <class Accept>
  void set(std::int64_t env, std::int64_t num_envs, std::int64_t parameter, double value, const Accept& accept) {
    Config changed = config(env);
    Parameters<Config>::set(changed, parameter, value);
    const Key key = Parameters<Config>::key(changed);
    const Key before = Parameters<Config>::key(config(env));
    if (key == before) return;
    std::shared_ptr<const Entry> own;
    if (key != Parameters<Config>::key(config_)) {
      if (const auto known = in_use_.find(key); known != in_use_.end()) own = known->second.lock();
      if (own == nullptr) {
        own = std::make_shared<const Entry>(changed);
        accept(own->shared());
      }
    }
    if (own_.empty()) {
      std::vector<std::uint8_t> differs(static_cast<std::size_t>(num_envs));
      own_.resize(static_cast<std::size_t>(num_envs));
      differs_ = std::move(differs);
    }
    if (own != nullptr) in_use_.insert_or_assign(key, own);
    const auto at = static_cast<std::size_t>(env);
    own_[at].swap(own);
    if (own.use_count() == 1) in_use_.erase(before);
    own.reset();
    for (std::size_t i = std::max<std::size_t>(at, 1); i < std::min(at + 2, own_.size()); ++i) {
      differs_[i] = own_[i - 1] == own_[i] ? 0 : 1;
    }
    if (in_use_.empty()) {
      own_ = {};
      differs_ = {};
    }
  }

 private:
  // Where the methods take the Config itself, it is there once.
  class Entry {
   public:
    explicit Entry(const Config& with) : config(with), shared_(config) {}
    const Shared& shared() const {
      if constexpr (std::is_same_v<Config, Shared>) return config;
      else return shared_;
    }
    const Config config;

   private:
    struct Nothing {
      explicit Nothing(const Config&) {}
    };
    [[no_unique_address]] const std::conditional_t<std::is_same_v<Config, Shared>, Nothing, Shared> shared_;
  };
  using Key = typename Parameters<Config>::Key;

  const Entry* find(std::int64_t env) const {
    return own_.empty() ? nullptr : own_[static_cast<std::size_t>(env)].get();
  }

  Config config_;
  std::vector<std::shared_ptr<const Entry>> own_;     // per env, null for the vector's; empty if all are
  std::vector<std::uint8_t> differs_;                 // 1: the parameters differ from those of the env before
  std::map<Key, std::weak_ptr<const Entry>> in_use_;  // all of own_
};

// For a Config without parameters().
template <class Config, class Shared>
  requires(!HasParameters<Config>)
class OwnParameters<Config, Shared> {
 public:
  explicit OwnParameters(const Config&) {}
  const Shared& shared(std::int64_t, const Shared& vectors) const { return vectors; }
  std::int64_t bytes_per_env() const { return 0; }
};

}  // namespace fastvec::detail
