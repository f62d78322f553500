#include "engine/env_vector.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "engine/errors.hpp"

namespace fastvec::engine {

namespace {

// Whether a table, of the size that its library gave it, has this field.
#define FASTVEC_HAS_FIELD(table, field) \
  ((table).struct_size >= offsetof(fv_env_type, field) + sizeof(static_cast<fv_env_type*>(nullptr)->field))

std::string text(const fv_error& error) { return error.message[0] != '\0' ? error.message : "unknown error"; }

EngineError refusal(const fv_error& error) {
  return {error.code == FV_OUT_OF_RANGE ? Fault::kOutOfRange : Fault::kInvalidArgument, text(error)};
}

void* create(const fv_env_type& type, const Kwargs& kwargs, std::int64_t num_envs) {
  fv_error error{};
  void* const made = type.create(&type, kwargs.values.data(), num_envs, &error);
  if (made != nullptr) return made;
  if (error.code == FV_INVALID_ARGUMENT || error.code == FV_OUT_OF_RANGE) throw refusal(error);
  throw std::runtime_error(std::string(type.id) + " could not be made: " + text(error));
}

// The spec as this engine's header knows it: what an older env library leaves out is zero.
fv_spec complete(const fv_spec& given) {
  fv_spec spec{};
  std::memcpy(&spec, &given, std::min<std::size_t>(given.struct_size, sizeof spec));
  return spec;
}

}  // namespace

std::int64_t num_parameters(const fv_env_type& type) {
  return FASTVEC_HAS_FIELD(type, set_parameter) ? type.num_parameters : 0;
}

PlainState plain_state(const fv_env_type& type) {
  if (!FASTVEC_HAS_FIELD(type, plain_state_align)) return {};
  return {type.plain_state_size, type.plain_state_align};
}

EnvVector::EnvVector(const fv_env_type& type, const Kwargs& kwargs, std::int64_t num_envs)
    : type_(type), vector_(create(type, kwargs, num_envs), type.destroy), spec_(complete(*type.spec(vector_.get()))) {
  for (std::int64_t i = 0; i < num_parameters(); ++i) parameter_defaults_.push_back(parameter(0, i));
}

void EnvVector::check_options(const ResetOptions& options) {
  if (type_.check_options == nullptr) return;
  fv_error error{};
  if (type_.check_options(vector_.get(), options.values.data(), options.present.data(), &error) != FV_OK) {
    throw refusal(error);
  }
}

void EnvVector::save(std::int64_t env, std::vector<std::byte>& bytes) {
  const auto append = [](void* context, const void* data, std::int64_t size) {
    auto& to = *static_cast<std::vector<std::byte>*>(context);
    const auto* from = static_cast<const std::byte*>(data);
    to.insert(to.end(), from, from + size);
  };
  fv_error error{};
  if (type_.save(vector_.get(), env, &bytes, append, &error) != FV_OK) {
    throw EnvFailures({{env, error.code, error.message}});
  }
}

void EnvVector::load(std::int64_t env, std::span<const std::byte> bytes) {
  fv_error error{};
  if (type_.load(vector_.get(), env, bytes.data(), static_cast<std::int64_t>(bytes.size()), &error) != FV_OK) {
    throw EngineError(Fault::kInvalidArgument, error.message);
  }
}

void EnvVector::render(std::int64_t env, std::uint8_t* pixels) {
  fv_error error{};
  if (type_.render(vector_.get(), env, pixels, &error) != FV_OK) throw EnvFailures({{env, error.code, text(error)}});
}

double EnvVector::parameter(std::int64_t env, std::int64_t parameter) {
  return type_.get_parameter(vector_.get(), env, parameter);
}

void EnvVector::set_parameter(std::int64_t env, std::int64_t parameter, double value) {
  fv_error error{};
  if (type_.set_parameter(vector_.get(), env, parameter, value, &error) != FV_OK) {
    throw EngineError(Fault::kInvalidArgument, "env " + std::to_string(env) + ": " + text(error));
  }
  parameters_were_set_ = true;
}

std::int64_t EnvVector::bytes_per_env() {
  return type_.bytes_per_env != nullptr ? type_.bytes_per_env(vector_.get()) : 0;
}

}  // namespace fastvec::engine
