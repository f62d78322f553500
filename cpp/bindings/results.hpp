// What VectorCore's calls return: tuples of arrays, infos, and what SameStep adds of episodes that have ended.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "buffer_ring.hpp"
#include "engine/engine.hpp"
#include "infos.hpp"
#include "out_arrays.hpp"

namespace fastvec::bindings {

// Of one engine, which outlives it. Everything here needs the GIL.
class Results {
 public:
  // Throws std::invalid_argument for info fields that do not go together (infos.hpp).
  explicit Results(const engine::Engine& engine);

  // (observations, info): the caller's arrays where there were some, the buffer's elsewhere.
  pybind11::tuple of_reset(const BatchBuffer& buffer, const OutArrays& given) const;
  // (observations, rewards, terminations, truncations, info), likewise.
  pybind11::tuple of_step(const BatchBuffer& buffer, const OutArrays& given) const;
  // The same of the envs `envs`, one per row, which are idle; info has them under "env_id".
  pybind11::tuple of_recv(const BatchBuffer& buffer, const pybind11::array_t<std::int64_t>& envs) const;

 private:
  pybind11::object observation(const BatchBuffer& buffer) const;
  // Row k is env `envs[k]`'s (null: k's).
  pybind11::dict step_info(const BatchBuffer& buffer, std::int64_t rows, const std::int64_t* envs) const;
  std::optional<FinalInfo> final_info(std::int64_t rows, const std::int64_t* envs) const;

  const engine::Engine& engine_;
  InfoDicts infos_;
};

}  // namespace fastvec::bindings
