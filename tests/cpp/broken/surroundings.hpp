// Envs that depend on more than their state, action and generator: other envs, threads, clocks, the process.
#pragma once

#include <fastvec/env.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <ctime>
#include <memory>
#include <thread>
#include <vector>

#include "walker.hpp"

namespace broken {

// Draws from a generator that all envs of the process share.
class GlobalRandom : public Walker {
 public:
  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options) {
    static std::atomic<std::uint32_t> state{1};
    Walker::reset(kNone, rng, options);
    at_ += 1e-3 * static_cast<double>(state.fetch_add(1) % 100);
  }
};

// Has a generator of its own and never looks at the one that it is given.
class IgnoresSeed : public Walker {
 public:
  void reset(const Config&, fastvec::Rng&, const fastvec::Options&) {
    at_ = 0.25;
    steps_ = 0;
    own_ = 12345;
  }
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng&) {
    own_ = own_ * 1664525u + 1013904223u;
    at_ += static_cast<double>(action - 1) + 1e-10 * own_;
    ++steps_;
    return {.reward = at_, .terminated = at_ > 15.0};
  }

 private:
  std::uint32_t own_ = 0;
};

// All envs of a vector write to one number behind Shared.
class Neighbours : public Walker {
 public:
  struct Shared {
    explicit Shared(const Config&) : sum(std::make_unique<std::atomic<std::int64_t>>(0)) {}
    std::unique_ptr<std::atomic<std::int64_t>> sum;
  };
  static fastvec::Spec spec(const Shared&) { return Walker::spec(kNone); }
  void reset(const Shared&, fastvec::Rng& rng, const fastvec::Options& options) {
    // The one who comes first (env 0, in a reset of all) clears the sum, so that each run is like the last.
    Walker::reset(kNone, rng, options);
    drift_ = 0.0;
  }
  fastvec::StepResult step(const Shared& shared, Action action, fastvec::Rng& rng) {
    const auto others = shared.sum->exchange(action);
    drift_ += steps_ == 0 ? 0.0 : static_cast<double>(others);
    return Walker::step(kNone, action, rng);
  }
  void observe(const Shared&, Observation observation) const {
    Walker::observe(kNone, observation);
    observation[2] = static_cast<float>(std::min(drift_, 900.0));
  }

 private:
  double drift_ = 0.0;
};

// Counts in a thread's own variable, which is the same for all only as long as there is one thread.
class PerThread : public Walker {
 public:
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    static const std::thread::id first = std::this_thread::get_id();
    fastvec::StepResult result = Walker::step(kNone, action, rng);
    if (std::this_thread::get_id() != first) result.reward += 1.0;
    return result;
  }
};

// Computes in memory that all envs share: right for one thread at a time.
class Scratch : public Walker {
 public:
  struct Shared {
    explicit Shared(const Config&) : numbers(64) {}
    mutable std::vector<double> numbers;
  };
  static fastvec::Spec spec(const Shared&) { return Walker::spec(kNone); }
  void reset(const Shared&, fastvec::Rng& rng, const fastvec::Options& options) { Walker::reset(kNone, rng, options); }
  fastvec::StepResult step(const Shared& shared, Action action, fastvec::Rng& rng) {
    fastvec::StepResult result = Walker::step(kNone, action, rng);
    for (double& number : shared.numbers) number = at_;
    result.reward = 0.0;
    for (const double& number : shared.numbers) result.reward += number;
    return result;
  }
  void observe(const Shared&, Observation observation) const { Walker::observe(kNone, observation); }
};

// The day of the year.
class Clock : public Walker {
 public:
  void observe(const Config&, Observation observation) const {
    Walker::observe(kNone, observation);
    observation[2] = static_cast<float>(std::time(nullptr) / 86'400 % 365);
  }
};

class ProcessId : public Walker {
 public:
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    fastvec::StepResult result = Walker::step(kNone, action, rng);
    result.reward += static_cast<double>(::getpid());
    return result;
  }
};

}  // namespace broken
