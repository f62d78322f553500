// The envs of one vector, made by an env library and reached through its C table (fastvec/abi.h).
//
// An EnvVector owns what `create` made and destroys it. It knows what a library of an older minor version does not
// have, and turns error codes into exceptions; what rows and flags mean is for its caller to know. Threads: as the C
// table says. `reset`, `step` and `observe` may run at once on disjoint ranges; everything else is called by one
// thread, with no range call under way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "fastvec/abi.h"

namespace fastvec::engine {

// Values for fv_env_type::create, one per declared kwarg. What they point to is needed during the call only.
struct Kwargs {
  std::vector<fv_value> values;
};

// Options of one reset, one entry per declared option.
struct ResetOptions {
  std::vector<double> values;
  std::vector<std::uint8_t> present;
};

// How many parameters the envs of a type have; 0 for a library that is older than parameters are.
std::int64_t num_parameters(const fv_env_type& type);

// The memory of one env's state where it is plain (fv_env_type::plain_state_size); 0 where it is not, or the library is
// older than that is.
struct PlainState {
  std::int64_t size = 0, align = 0;
};
PlainState plain_state(const fv_env_type& type);

class EnvVector {
 public:
  // Makes the envs, not yet reset. Throws EngineError (kInvalidArgument, kOutOfRange) for kwargs that the env refuses,
  // std::runtime_error if it cannot be made for another reason. `type` outlives the vector: libraries are not unloaded.
  EnvVector(const fv_env_type& type, const Kwargs& kwargs, std::int64_t num_envs);

  const fv_env_type& type() const { return type_; }
  // What the vector looks like; what an older library leaves out is zero.
  const fv_spec& spec() const { return spec_; }

  // Range calls. The env reports failures through `io`; nothing is thrown.
  void reset(const fv_range& range, const fv_io& io) { type_.reset(vector_.get(), &range, &io); }
  void step(const fv_range& range, const fv_io& io) { type_.step(vector_.get(), &range, &io); }
  void observe(const fv_range& range, const fv_io& io) { type_.observe(vector_.get(), &range, &io); }

  // Throws EngineError (kInvalidArgument, kOutOfRange) for options that the env refuses.
  void check_options(const ResetOptions& options);

  // Appends the env's own state. Throws EnvFailures if it cannot be saved.
  void save(std::int64_t env, std::vector<std::byte>& bytes);
  // Loads what `save` wrote. Throws EngineError(kInvalidArgument), with the env's own words, if it does not fit.
  void load(std::int64_t env, std::span<const std::byte> bytes);

  bool can_render() const { return type_.render != nullptr && spec_.render_height > 0; }
  // Draws into render_height x render_width x 3 bytes. Throws EnvFailures.
  void render(std::int64_t env, std::uint8_t* pixels);

  // The envs' own parameters (fv_env_type::parameters), by their index. Setting one throws
  // EngineError(kInvalidArgument), with nothing changed, for a value that the env refuses.
  std::int64_t num_parameters() const { return engine::num_parameters(type_); }
  double parameter(std::int64_t env, std::int64_t parameter);
  void set_parameter(std::int64_t env, std::int64_t parameter, double value);
  bool parameters_were_set() const { return parameters_were_set_; }
  // What env 0 had when the vector was made, as all had.
  const std::vector<double>& parameter_defaults() const { return parameter_defaults_; }

  // Bytes of one env's state, as the library tells; 0 if it does not.
  std::int64_t bytes_per_env();

 private:
  const fv_env_type& type_;
  std::unique_ptr<void, void (*)(void*)> vector_;
  fv_spec spec_;
  std::vector<double> parameter_defaults_;
  bool parameters_were_set_ = false;
};

}  // namespace fastvec::engine
