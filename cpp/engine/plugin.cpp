#include "engine/plugin.hpp"

#include <cstddef>
#include <cstring>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace fastvec::engine {

namespace {

constexpr std::size_t kFirstEnvType = offsetof(fv_env_type, num_parameters);  // its size in minor 0

fastvec_plugin_function find_symbol(const std::string& path) {
#if defined(_WIN32)
  const HMODULE library = LoadLibraryA(path.c_str());
  if (library == nullptr) {
    throw PluginError("cannot load env library '" + path + "': Windows error " + std::to_string(GetLastError()));
  }
  auto* symbol = reinterpret_cast<void*>(GetProcAddress(library, FASTVEC_PLUGIN_SYMBOL));
#else
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw PluginError("cannot load env library '" + path + "': " + dlerror());
  void* symbol = dlsym(library, FASTVEC_PLUGIN_SYMBOL);
#endif
  if (symbol == nullptr) {
    throw PluginError("'" + path +
                      "' is not a fastvec env library: it does not export " FASTVEC_PLUGIN_SYMBOL
                      " (define it with FASTVEC_PLUGIN from fastvec/env.hpp)");
  }
  return reinterpret_cast<fastvec_plugin_function>(symbol);
}

}  // namespace

std::optional<RegisteredLimits> registered_limits(const fv_env_type& type) {
  constexpr std::size_t kSize = offsetof(fv_env_type, reward_threshold) + sizeof type.reward_threshold;
  if (type.struct_size < kSize) return std::nullopt;
  return RegisteredLimits{type.max_episode_steps, type.reward_threshold};
}

PluginInfo check_plugin(const fv_plugin* plugin, const std::string& path) {
  const std::string name = "env library '" + path + "'";
  if (plugin == nullptr) throw PluginError(name + " gave no table");
  if (plugin->abi_major != FASTVEC_ABI_MAJOR) {
    throw PluginError(name + " was built for fastvec ABI " + std::to_string(plugin->abi_major) + "." +
                      std::to_string(plugin->abi_minor) + ", this fastvec has " + std::to_string(FASTVEC_ABI_MAJOR) +
                      "." + std::to_string(FASTVEC_ABI_MINOR) + ": build it again with this version's headers");
  }
  if (plugin->struct_size < sizeof(fv_plugin)) {
    throw PluginError(name + ": expected a table of at least " + std::to_string(sizeof(fv_plugin)) + " bytes, got " +
                      std::to_string(plugin->struct_size));
  }
  PluginInfo info{.name = plugin->name != nullptr ? plugin->name : "", .path = path, .envs = {}};
  for (std::int64_t i = 0; i < plugin->num_envs; ++i) {
    const fv_env_type* type = plugin->envs[i];
    if (type == nullptr || type->struct_size < kFirstEnvType || type->id == nullptr || type->create == nullptr ||
        type->destroy == nullptr || type->spec == nullptr || type->reset == nullptr || type->step == nullptr ||
        type->observe == nullptr || type->save == nullptr || type->load == nullptr) {
      throw PluginError(name + ": its env number " + std::to_string(i) + " lacks a required function");
    }
    for (const fv_env_type* other : info.envs) {
      if (std::strcmp(other->id, type->id) == 0) {
        throw PluginError(name + ": expected each env id once, got '" + type->id + "' twice");
      }
    }
    info.envs.push_back(type);
  }
  return info;
}

PluginInfo load_plugin(const std::string& path) { return check_plugin(find_symbol(path)(), path); }

}  // namespace fastvec::engine
