// What Reacher and Pusher have in common.
#pragma once

#include <array>
#include <span>

#include "mujoco_env.hpp"

namespace mujoco_envs {

inline std::array<double, 3> difference(std::span<const double> a, std::span<const double> b) {
  return {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
}

// An env with something to reach or to push, whose place is drawn at a reset.
class Arm : public MujocoEnv {
 public:
  using MujocoEnv::MujocoEnv;

  void save(fastvec::StateWriter& writer) const {
    data_->save(writer);
    writer.value(place_);
  }
  void load(fastvec::StateReader& reader) {
    data_->load(reader);
    place_ = reader.value<std::array<double, 2>>();
  }

 protected:
  std::array<double, 2> place_{};  // x and y: Gymnasium keeps them as an attribute
};

}  // namespace mujoco_envs
