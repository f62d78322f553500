// fastvec/detail/per_env_config.hpp: the Config and the Shared of each env, after set_attr changed some.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "fastvec/detail/parameters.hpp"
#include "fastvec/flags.hpp"
#include "fastvec/inline.hpp"

namespace fastvec::detail {

// Most envs have the vector's parameters. Those whose parameters differ have an Entry, a Config and the Shared made of
// it; envs with equal ones have one Entry in common, since a Shared may hold 100 MB. An Entry that no env uses any more
// is gone at once.
// Threads: `set` is called by one, with no range call under way; the rest may be read by many.
template <class Config, class Shared>
class PerEnvConfig {
 public:
  // `config`: the vector's.
  explicit PerEnvConfig(const Config& config) : config_(config) {}

  bool empty() const { return entries_.empty(); }

  const Config& config(std::int64_t env) const {
    const Entry* entry = find(env);
    return entry == nullptr ? config_ : entry->config;
  }

  // `of_vector`: the vector's Shared, for the envs that have its parameters.
  const Shared& shared(std::int64_t env, const Shared& of_vector) const {
    const Entry* entry = find(env);
    return entry == nullptr ? of_vector : entry->shared();
  }

  // The first env of [first + 1, last) whose parameters differ from those of the env before it; `last` if there is
  // none. Not while empty.
  std::int64_t end_of_run(std::int64_t first, std::int64_t last) const {
    return next_set(differs_from_previous_.data(), first + 1, last);
  }

  std::int64_t bytes_per_env() const {
    if (empty()) return 0;
    const std::size_t each = sizeof(std::shared_ptr<const Entry>) + sizeof(std::uint8_t);
    return static_cast<std::int64_t>(each + in_use_.size() * sizeof(Entry) / entries_.size());
  }

  // Sets one parameter of one env. `accept(shared)` throws if the author does not allow what comes of it; then, as
  // for a value that the member cannot hold, nothing has changed.
  template <class Accept>
  FASTVEC_COLD void set(std::int64_t env, std::int64_t num_envs, std::int64_t parameter, double value,
                        const Accept& accept) {
    Config changed = config(env);
    Parameters<Config>::set(changed, parameter, value);
    const Key key = Parameters<Config>::key(changed);
    const Key before = Parameters<Config>::key(config(env));
    if (key == before) return;
    std::shared_ptr<const Entry> entry;
    if (key != Parameters<Config>::key(config_)) {
      if (const auto known = in_use_.find(key); known != in_use_.end()) entry = known->second.lock();
      if (entry == nullptr) {
        entry = std::make_shared<const Entry>(changed);
        accept(entry->shared());
      }
    }
    if (entries_.empty()) {
      std::vector<std::uint8_t> differs(static_cast<std::size_t>(num_envs));
      entries_.resize(static_cast<std::size_t>(num_envs));
      differs_from_previous_ = std::move(differs);
    }
    if (entry != nullptr) in_use_.insert_or_assign(key, entry);
    const auto at = static_cast<std::size_t>(env);
    entries_[at].swap(entry);
    if (entry.use_count() == 1) in_use_.erase(before);
    entry.reset();
    for (std::size_t i = std::max<std::size_t>(at, 1); i < std::min(at + 2, entries_.size()); ++i) {
      differs_from_previous_[i] = entries_[i - 1] == entries_[i] ? 0 : 1;
    }
    if (in_use_.empty()) {
      entries_ = {};
      differs_from_previous_ = {};
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
    return entries_.empty() ? nullptr : entries_[static_cast<std::size_t>(env)].get();
  }

  Config config_;
  std::vector<std::shared_ptr<const Entry>> entries_;  // per env, null for the vector's; empty if all are
  std::vector<std::uint8_t> differs_from_previous_;    // 1: the parameters differ from those of the env before
  std::map<Key, std::weak_ptr<const Entry>> in_use_;   // those of entries_
};

// For a Config without parameters().
template <class Config, class Shared>
  requires(!HasParameters<Config>)
class PerEnvConfig<Config, Shared> {
 public:
  explicit PerEnvConfig(const Config&) {}
  const Shared& shared(std::int64_t, const Shared& of_vector) const { return of_vector; }
  std::int64_t bytes_per_env() const { return 0; }
};

}  // namespace fastvec::detail
