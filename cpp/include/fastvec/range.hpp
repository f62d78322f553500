// fastvec/range.hpp: many envs in one call, for an env that brings its own loop over them (SIMD).
#pragma once

#include "fastvec/detail/require_cxx20.hpp"  // before all else

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

#include "fastvec/abi.h"
#include "fastvec/detail/ports.hpp"
#include "fastvec/device.hpp"
#include "fastvec/rng.hpp"
#include "fastvec/rows.hpp"

namespace fastvec {

// A run of neighbouring envs to step: at least one, of any number, and another number at the next call. Index
// `i` counts within the run. All arrays are dense: the row of env `i + 1` follows that of env `i`.
// Valid during the call only.
template <class Env>
class StepRange {
  using Actions = detail::Port<typename Env::Action, const void*>;
  using Observations = detail::Port<typename Env::Observation, void*>;

 public:
  StepRange(std::span<Env> envs, const fv_range& range, const fv_io& io, Columns actions, Columns observations,
            Columns info)
      : envs_(envs),
        range_(range),
        io_(io),
        actions_(io.actions, actions),
        observations_(io.observations, observations),
        info_(info) {}

  std::size_t size() const { return envs_.size(); }
  std::span<Env> envs() const { return envs_; }
  Rng rng(std::size_t i) const { return Rng(io_.rngs[range_.first + index(i)]); }

  // What `step` gets and `observe` fills for env `i`.
  typename Env::Action action(std::size_t i) const { return actions_.at(range_.action_row + index(i)); }
  typename Env::Observation observation(std::size_t i) const { return observations_.at(range_.output_row + index(i)); }
  Info info(std::size_t i) const { return Info(io_.info, io_.info_mask, info_, range_.output_row + index(i)); }

  // The first element of the first env's row (not for Tuple and Dict spaces).
  auto actions() const
    requires requires(const Actions& port) { port.row(0); }
  {
    return actions_.row(range_.action_row);
  }
  auto observations() const
    requires requires(const Observations& port) { port.row(0); }
  {
    return observations_.row(range_.output_row);
  }

  // To be written for every env. The flags are 0 or 1; `truncated` without the time limit, which is the engine's.
  std::span<double> rewards() const { return {io_.rewards + range_.output_row, size()}; }
  std::span<std::uint8_t> terminated() const { return {io_.terminated + range_.output_row, size()}; }
  std::span<std::uint8_t> truncated() const { return {io_.truncated + range_.output_row, size()}; }

  // Reports that env `i` failed, as an exception from its `step` would; the others are not concerned. (An
  // exception that leaves step_range fails all envs of the run.)
  void fail(std::size_t i, const std::string& message) const { fail(i, message.c_str()); }
  void fail([[maybe_unused]] std::size_t i, const char* message) const {
    if constexpr (kInKernel) throw std::runtime_error(message);  // the only env of this range: its turn ends here
    else io_.report(io_.report_context, range_.first + index(i), FV_ERROR, message);
  }

 private:
  static std::int64_t index(std::size_t i) { return static_cast<std::int64_t>(i); }

  std::span<Env> envs_;
  const fv_range& range_;
  const fv_io& io_;
  Actions actions_;
  Observations observations_;
  Columns info_;
};

}  // namespace fastvec
