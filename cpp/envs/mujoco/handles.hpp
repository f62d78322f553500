// How an env library without MuJoCo's headers gets at MuJoCo: by addresses.
//
// Python loads the model and makes one mjData per env with the official bindings, and hands over, as one list of
// integers, where they and their arrays lie and where the functions of the library are that those bindings loaded.
// So nothing here depends on how one MuJoCo version lays out its structs. Python keeps all of it alive until the
// vector is destroyed (python/fastvec/mujoco/handles.py writes the list; both sides change together, with kProtocol).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "fastvec/env.hpp"

namespace mujoco_envs {

inline constexpr std::int64_t kProtocol = 1;

// Reads the list front to back.
class HandleReader {
 public:
  explicit HandleReader(const std::vector<std::int64_t>& handles) : handles_(handles) {}

  std::int64_t integer() {
    if (at_ == handles_.size()) {
      throw fastvec::InvalidArgument(
          "expected handles of a MuJoCo model: make this env with fastvec.make_vec, which takes them from the mujoco "
          "package");
    }
    return handles_[at_++];
  }
  std::size_t size() { return static_cast<std::size_t>(integer()); }
  template <class Pointer>
  Pointer address() {
    return reinterpret_cast<Pointer>(static_cast<std::intptr_t>(integer()));
  }
  void expect_end() const {
    if (at_ != handles_.size()) {
      throw fastvec::InvalidArgument("expected " + std::to_string(at_) + " handles, got " +
                                     std::to_string(handles_.size()));
    }
  }

 private:
  const std::vector<std::int64_t>& handles_;
  std::size_t at_ = 0;
};

// Functions of MuJoCo's C API; models and datas are opaque. (The last argument of the two state functions is an
// int in some versions, an unsigned int in others: the same register.)
struct Functions {
  void (*step)(const void* model, void* data);
  void (*forward)(const void* model, void* data);
  void (*reset_data)(const void* model, void* data);
  void (*rne_post_constraint)(const void* model, void* data);
  void (*get_state)(const void* model, const void* data, double* state, int signature);
  void (*set_state)(const void* model, void* data, const double* state, int signature);
};

// Arrays of mjData that the envs read, in the order of the handles.
enum Field : std::size_t {
  kQpos,
  kQvel,
  kCtrl,
  kXpos,
  kXipos,
  kCinert,
  kCvel,
  kCfrcExt,
  kQfrcActuator,
  kQfrcConstraint,
  kSiteXpos,
  kTenLength,
  kTenVelocity,
  kNumFields
};

}  // namespace mujoco_envs
