// The model and the mjData of every env of one vector.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "fastvec/env.hpp"
#include "fastvec/numpy.hpp"
#include "handles.hpp"

namespace mujoco_envs {

namespace numpy = fastvec::numpy;

class Simulator;

// One env's mjData. Used by one thread at a time.
class Data {
 public:
  std::span<double> operator[](Field field) const { return {fields_[field], sizes()[field]}; }
  std::span<double> qpos() const { return (*this)[kQpos]; }
  std::span<double> qvel() const { return (*this)[kQvel]; }
  // The position of a body: 3 coordinates.
  std::span<double> body_position(std::size_t body) const { return (*this)[kXpos].subspan(3 * body, 3); }

  // mj_resetData, and the positions and velocities of MujocoEnv.set_state once `fill(qpos, qvel)` has written them.
  template <class Fill>
  void reset(const Fill& fill) {
    reset_data();
    fill(qpos(), qvel());
    forward();
  }
  // MujocoEnv.do_simulation: frame_skip steps under one control, then the forces that a step leaves out.
  template <class T>
  void step(std::span<const T> action) {
    const std::span<double> ctrl = (*this)[kCtrl];
    for (std::size_t i = 0; i < ctrl.size(); ++i) ctrl[i] = static_cast<double>(action[i]);
    step_frames();
  }

  // All that decides how the env goes on, and what it last showed.
  void save(fastvec::StateWriter& writer) const;
  void load(fastvec::StateReader& reader);

 private:
  friend class Simulator;

  const std::array<std::size_t, kNumFields>& sizes() const;
  void reset_data();
  void forward();
  void step_frames();
  void note_warnings();

  const Simulator* simulator_ = nullptr;
  std::int64_t index_ = 0;
  void* data_ = nullptr;
  const std::byte* warning_numbers_ = nullptr;  // how often MuJoCo has warned of each kind since the last reset
  const std::byte* warning_infos_ = nullptr;    // and what the last warning was about
  std::uint32_t noted_ = 0;                     // bit per kind: reported in this episode
  std::array<double*, kNumFields> fields_{};
  std::vector<double*> saved_;
};

class Simulator {
 public:
  explicit Simulator(const std::vector<std::int64_t>& handles);
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  Data& data(std::int64_t env) const;
  const numpy::Rounding& rounding() const { return rounding_; }
  std::size_t size(Field field) const { return sizes_[field]; }
  std::size_t nq() const { return sizes_[kQpos]; }
  std::size_t nv() const { return sizes_[kQvel]; }
  std::size_t nu() const { return sizes_[kCtrl]; }
  std::span<const double> body_mass() const { return {body_mass_, sizes_[kXpos] / 3}; }
  std::int64_t bytes_per_data() const { return bytes_per_data_; }

 private:
  friend class Data;

  Functions functions_{};
  const void* model_ = nullptr;
  const double* body_mass_ = nullptr;
  std::size_t frame_skip_ = 0;
  int signature_ = 0;  // mjSTATE_INTEGRATION
  std::size_t state_size_ = 0;
  std::size_t num_warnings_ = 0;
  std::size_t warning_stride_ = 0;
  std::int64_t* alerts_ = nullptr;  // see note_warnings
  std::int64_t bytes_per_data_ = 0;
  numpy::Rounding rounding_;
  std::array<std::size_t, kNumFields> sizes_{};
  std::vector<std::size_t> saved_sizes_;
  std::int64_t num_envs_ = 0;
  std::unique_ptr<Data[]> datas_;
};

inline const std::array<std::size_t, kNumFields>& Data::sizes() const { return simulator_->sizes_; }

}  // namespace mujoco_envs
