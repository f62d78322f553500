// Env libraries: loading them, and finding an env type by its id.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "fastvec/abi.h"

namespace fastvec::engine {

// A file that cannot be loaded as an env library. The message names the file and the reason.
class PluginError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A loaded env library. It stays loaded until the process ends: env types are static tables in it.
struct PluginInfo {
  std::string name;
  std::string path;
  std::vector<const fv_env_type*> envs;
};

// What an env type registers with its id, read from its table: no env is made.
struct RegisteredLimits {
  std::int64_t max_episode_steps;  // 0: no time limit
  double reward_threshold;         // NaN: none
};

// Nothing for a library older than ABI minor 2, whose limits only a vector of it tells.
std::optional<RegisteredLimits> registered_limits(const fv_env_type& type);

// Loads the library at `path` and checks its ABI version. Throws PluginError.
PluginInfo load_plugin(const std::string& path);

// Checks a plugin table by itself, as load_plugin does after finding it in the library.
PluginInfo check_plugin(const fv_plugin* plugin, const std::string& path);

}  // namespace fastvec::engine
