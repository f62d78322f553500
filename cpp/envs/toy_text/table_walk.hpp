// What FrozenLake and CliffWalking do alike: walking about by a table of transitions.
#pragma once

#include <cstdint>

#include "fastvec/env.hpp"
#include "transitions.hpp"

namespace toy_text {

// The base of an env whose Shared has `starts` and `transitions`.
class TableWalk {
 public:
  using Action = std::int64_t;
  using Observation = std::int64_t&;

  template <class Shared>
  void reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options&, fastvec::Info& info) {
    state_ = static_cast<std::int32_t>(shared.starts.sample(rng));
    last_action_ = -1;
    report(info, {.value = 1, .is_int = true});
  }

  template <class Shared>
  fastvec::StepResult step(const Shared& shared, Action action, fastvec::Rng& rng, fastvec::Info& info) {
    const Sample sample = shared.transitions.sample(state_, action, rng);
    state_ = static_cast<std::int32_t>(sample.next);
    last_action_ = static_cast<std::int32_t>(action);
    report(info, sample.probability);
    return {.reward = sample.reward, .terminated = sample.terminated};
  }

  template <class Shared>
  void observe(const Shared&, Observation observation) const {
    observation = state_;
  }

 private:
  std::int32_t state_;
  std::int32_t last_action_;  // -1: just reset
};

}  // namespace toy_text
