// Envs that write where they should not, or do not write where they should.
#pragma once

#include <fastvec/env.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

#include "walker.hpp"

namespace broken {

// A loop of its own that is right for blocks of four only: the rest does not move.
class RestForgotten : public Walker {
 public:
  static void step_range(const Config& config, const fastvec::StepRange<RestForgotten>& range) {
    const auto envs = range.envs();
    const std::size_t blocks = envs.size() / 4 * 4;
    for (std::size_t i = 0; i < envs.size(); ++i) {
      fastvec::Rng rng = range.rng(i);
      fastvec::StepResult result;
      if (i < blocks) result = envs[i].step(config, range.action(i), rng);
      range.rewards()[i] = result.reward;
      range.terminated()[i] = result.terminated;
      range.truncated()[i] = 0;
      envs[i].observe(config, range.observation(i));
    }
  }
};

// One element before the row, and one behind it.
class WritesBefore : public Walker {
 public:
  void observe(const Config&, Observation observation) const {
    Walker::observe(kNone, observation);
    float* const row = observation.data();
    if (steps_ > 2) row[-1] = 0.5f;
  }
};

class WritesBehind : public Walker {
 public:
  void observe(const Config&, Observation observation) const {
    Walker::observe(kNone, observation);
    float* const row = observation.data();
    for (std::int64_t i = 0; i <= 3; ++i) row[i] = static_cast<float>(steps_);
  }
};

class WritesBehindInfo : public Walker {
 public:
  static fastvec::Spec spec(const Config&) {
    fastvec::Spec result = Walker::spec(kNone);
    result.info = {fastvec::info_field<double>("place", {2})};
    return result;
  }
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng, fastvec::Info& info) {
    const std::span<double> place = info.array<double>(0);
    for (std::size_t i = 0; i < 2; ++i) place[i] = at_;
    double* const row = place.data();
    row[2] = 1.0;
    return Walker::step(kNone, action, rng);
  }
};

// A loop of its own that goes one env too far.
class OneTooFar : public Walker {
 public:
  static void step_range(const Config& config, const fastvec::StepRange<OneTooFar>& range) {
    const auto envs = range.envs();
    for (std::size_t i = 0; i < envs.size(); ++i) {
      fastvec::Rng rng = range.rng(i);
      const fastvec::StepResult result = envs[i].step(config, range.action(i), rng);
      range.rewards()[i] = result.reward;
      range.terminated()[i] = result.terminated;
      range.truncated()[i] = 0;
      envs[i].observe(config, range.observation(i));
    }
    double* const rewards = range.rewards().data();
    if (envs.size() > 1) rewards[envs.size()] = 0.0;
  }
};

class WritesToNeighbour : public Walker {
 public:
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    fastvec::StepResult result = Walker::step(kNone, action, rng);
    if (steps_ == 5) Walker::write(static_cast<std::ptrdiff_t>(sizeof(Walker)));
    return result;
  }
};

}  // namespace broken
