// fastvec/range.hpp: many envs in one call, for an env that brings its own loop over them (SIMD).
//
//   static void step_range(const Config& config, const fastvec::StepRange<Counter>& range);
//
// The engine hands a run of neighbouring envs to step_range, in place of calling `step` and `observe` for each. The
// call does for every env of the run what those would do, with the same bytes: it moves the states in envs(), and
// writes every element of their observations, rewards and both flags. Runs are of any length from 1 on, another one at
// each call, and which envs are in a run must not change any result.
//
// Envs that are reset in this call are not in the run, except with `static constexpr bool kStepsFinished = true`
// (env.hpp), which makes runs longer: those are stepped along and what comes of it is thrown away.
//
// Threads: other threads step other runs of the same vector at the same time. The range and all that it gives are views
// that are valid during the call, on its thread.
// Errors: `fail(i, message)` for one env; an exception that leaves step_range fails all envs of the run, since it does
// not say which one it was.
#pragma once

#include "fastvec/detail/require_cxx20.hpp"  // before all else

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

#include "fastvec/abi.h"
#include "fastvec/detail/row_access.hpp"
#include "fastvec/device.hpp"
#include "fastvec/rng.hpp"
#include "fastvec/rows.hpp"

namespace fastvec {

// A run of neighbouring envs to step. Index `i` counts within the run, from 0 to size() - 1; it is not checked. All
// arrays are dense: the row of env `i + 1` follows that of env `i`.
template <class Env>
class StepRange {
  using Actions = detail::RowAccess<typename Env::Action, const void*>;
  using Observations = detail::RowAccess<typename Env::Observation, void*>;

 public:
  StepRange(std::span<Env> envs, const fv_range& range, const fv_io& io, Columns actions, Columns observations,
            Columns info)
      : envs_(envs),
        range_(range),
        io_(io),
        actions_(io.actions, actions),
        observations_(io.observations, observations),
        info_(info) {}

  std::size_t size() const { return envs_.size(); }  // at least 1
  std::span<Env> envs() const { return envs_; }      // the states, to be changed

  // The generator of env `i`. A step_range with kStepsFinished draws nothing.
  Rng rng(std::size_t i) const { return Rng(io_.rngs[range_.first + index(i)]); }

  // What `step` gets, what `observe` fills, and the info of env `i`.
  typename Env::Action action(std::size_t i) const { return actions_.at(range_.action_row + index(i)); }
  typename Env::Observation observation(std::size_t i) const { return observations_.at(range_.output_row + index(i)); }
  Info info(std::size_t i) const { return Info(io_.info, io_.info_mask, info_, range_.output_row + index(i)); }

  // The first element of the first env's row; the rows follow one another without gaps. A pointer to the element type,
  // const for actions. Not for Tuple and Dict spaces, whose rows lie in several arrays.
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

  // To be written for every env, size() elements each. The flags are 0 or 1; `truncated` without the time limit, which
  // is the engine's.
  std::span<double> rewards() const { return {io_.rewards + range_.output_row, size()}; }
  std::span<std::uint8_t> terminated() const { return {io_.terminated + range_.output_row, size()}; }
  std::span<std::uint8_t> truncated() const { return {io_.truncated + range_.output_row, size()}; }

  // Reports that env `i` failed, as an exception from its `step` would: Python gets an EnvError with its index and this
  // message, and it is reset at its next turn. The others are not concerned, and what is written for it does not
  // matter.
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
