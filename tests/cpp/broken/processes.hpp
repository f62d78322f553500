// Envs that end the process, or hold it up.
#pragma once

#include <fastvec/env.hpp>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <thread>
#include <vector>

#include "walker.hpp"

namespace broken {

// What ends a process, at the sixth step.
class Crashes : public Walker {
 public:
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    static volatile int* volatile nowhere = nullptr;
    if (steps_ == 5) *nowhere = 1;
    return Walker::step(kNone, action, rng);
  }
};

class Aborts : public Walker {
 public:
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    if (steps_ == 5) std::abort();
    return Walker::step(kNone, action, rng);
  }
};

class Exits : public Walker {
 public:
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    if (steps_ == 5) ::_exit(0);
    return Walker::step(kNone, action, rng);
  }
};

class Hangs : public Walker {
 public:
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    static std::atomic<bool> never{false};
    while (steps_ == 5 && !never.load()) std::this_thread::yield();
    return Walker::step(kNone, action, rng);
  }
};

// What comes late: counted over all episodes, or in an episode without a time limit.
class CrashesLate : public Walker {
 public:
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    static volatile int* volatile nowhere = nullptr;
    if (++total_ == 10'500) *nowhere = 1;
    return Walker::step(kNone, action, rng);
  }

 private:
  std::int64_t total_ = 0;
};

class Sleeps : public Walker {
 public:
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Walker::step(kNone, action, rng);
  }
};

class Allocates : public Walker {
 public:
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    std::vector<double> history(static_cast<std::size_t>(10 + action), at_);
    fastvec::StepResult result = Walker::step(kNone, action, rng);
    result.reward += history.back();
    return result;
  }
};

}  // namespace broken
