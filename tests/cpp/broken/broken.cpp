// Envs with one planted fault each. What they have in common is in Walker, which is as it should be: a number
// that goes up and down at random, seen as three floats.
#include <fastvec/env.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

struct NoConfig {};

constexpr float kReach = 1000.0f;

class Walker {
 public:
  using Config = NoConfig;
  using Action = std::int64_t;
  using Observation = std::span<float, 3>;

  static fastvec::Spec spec(const Config&) {
    return {.observation = fastvec::Box<float>(-kReach, kReach, {3}), .action = fastvec::Discrete(3)};
  }
  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options&) {
    at_ = rng.uniform(-1.0, 1.0);
    steps_ = 0;
  }
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    at_ += static_cast<double>(action - 1) + 0.1 * rng.random();
    ++steps_;
    return {.reward = at_, .terminated = at_ > 15.0};
  }
  void observe(const Config&, Observation observation) const {
    observation[0] = static_cast<float>(at_);
    observation[1] = static_cast<float>(steps_);
    observation[2] = 0.0f;
  }

 protected:
  // Whatever lies so many bytes behind this object's state.
  void write(std::ptrdiff_t offset) { std::memset(reinterpret_cast<std::byte*>(this) + offset, 1, 1); }

  double at_ = 0.0;
  std::int64_t steps_ = 0;
};

const NoConfig kNone;

class NanObservation : public Walker {
 public:
  void observe(const Config&, Observation observation) const {
    Walker::observe(kNone, observation);
    if (steps_ == 7) observation[2] = std::numeric_limits<float>::quiet_NaN();
  }
};

class OutOfBounds : public Walker {
 public:
  void observe(const Config&, Observation observation) const {
    Walker::observe(kNone, observation);
    observation[1] = 200.0f * static_cast<float>(steps_);
  }
};

class InfiniteReward : public Walker {
 public:
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    fastvec::StepResult result = Walker::step(kNone, action, rng);
    result.reward = steps_ == 9 ? 1.0 / 0.0 : result.reward;
    return result;
  }
};

class ThrowsAtCorner : public Walker {
 public:
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    in_a_row_ = action == 2 ? in_a_row_ + 1 : 0;
    if (in_a_row_ == 12) throw std::runtime_error("twelve in a row were not foreseen");
    return Walker::step(kNone, action, rng);
  }
  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options) {
    in_a_row_ = 0;
    Walker::reset(kNone, rng, options);
  }

 private:
  std::int64_t in_a_row_ = 0;
};

class Throws : public Walker {
 public:
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    if (steps_ == 5) throw std::runtime_error("the fifth step is missing");
    return Walker::step(kNone, action, rng);
  }
};

// Draws from a generator that all envs of the process share.
class GlobalRandom : public Walker {
 public:
  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options) {
    static std::atomic<std::uint32_t> state{1};
    Walker::reset(kNone, rng, options);
    at_ += 1e-3 * static_cast<double>(state.fetch_add(1) % 100);
  }
};

class Leftover : public Walker {
 public:
  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options) {
    Walker::reset(kNone, rng, options);
    first_ += 1.0;  // never set back
  }
  void observe(const Config&, Observation observation) const {
    Walker::observe(kNone, observation);
    observation[2] = static_cast<float>(std::min(first_, 900.0));
  }

 private:
  double first_ = 0.0;
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

class ObserveCounts : public Walker {
 public:
  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options) {
    Walker::reset(kNone, rng, options);
    looks_ = 0;
  }
  void observe(const Config&, Observation observation) const {
    Walker::observe(kNone, observation);
    observation[2] = static_cast<float>(++looks_ % 500);
  }

 private:
  mutable std::int64_t looks_ = 0;
};

// save() forgets a member.
class ForgetsMember : public Walker {
 public:
  ForgetsMember() = default;
  ForgetsMember(const ForgetsMember& other) : Walker(other), speed_(other.speed_) {}  // so: not trivially copyable
  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options) {
    Walker::reset(kNone, rng, options);
    speed_ = 0.0;
  }
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    speed_ = 0.9 * speed_ + 0.1 * static_cast<double>(action - 1);
    fastvec::StepResult result = Walker::step(kNone, action, rng);
    result.reward += speed_;
    return result;
  }
  void save(fastvec::StateWriter& writer) const {
    writer.value(at_);
    writer.value(steps_);
  }
  void load(fastvec::StateReader& reader) {
    at_ = reader.value<double>();
    steps_ = reader.value<std::int64_t>();
  }

 private:
  double speed_ = 0.0;
};

class LoadsMore : public ForgetsMember {
 public:
  void load(fastvec::StateReader& reader) {
    ForgetsMember::load(reader);
    reader.value<std::int64_t>();
  }
};

// Trivially copyable, but a part of the state lies where a pointer points to.
class Pointer : public Walker {
 public:
  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options) {
    Walker::reset(kNone, rng, options);
    if (speed_ == nullptr) speed_ = new double;  // never freed: what trivially copyable costs here
    *speed_ = 0.0;
  }
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    *speed_ = 0.9 * *speed_ + 0.1 * static_cast<double>(action - 1);
    fastvec::StepResult result = Walker::step(kNone, action, rng);
    result.reward += *speed_;
    return result;
  }

 private:
  double* speed_ = nullptr;
};

// Depends on where it lies.
class Address : public Walker {
 public:
  struct Shared {
    explicit Shared(const Config&) {}
    mutable const Address* first = nullptr;
  };
  static fastvec::Spec spec(const Shared&) { return Walker::spec(kNone); }
  void reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options& options) {
    if (shared.first == nullptr || this < shared.first) shared.first = this;
    Walker::reset(kNone, rng, options);
  }
  fastvec::StepResult step(const Shared& shared, Action action, fastvec::Rng& rng) {
    fastvec::StepResult result = Walker::step(kNone, action, rng);
    result.reward += 0.01 * static_cast<double>(this - shared.first);
    return result;
  }
  void observe(const Shared&, Observation observation) const { Walker::observe(kNone, observation); }
};

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

class BadPicture : public Walker {
 public:
  static fastvec::Spec spec(const Config&) {
    fastvec::Spec result = Walker::spec(kNone);
    result.render_height = 4;
    result.render_width = 6;
    return result;
  }
  void render(const Config&, std::span<std::uint8_t> pixels) const {
    ++pictures_;
    for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(pictures_);
  }

 private:
  mutable std::int64_t pictures_ = 0;
};

class RenderThrows : public BadPicture {
 public:
  void render(const Config&, std::span<std::uint8_t>) const { throw std::runtime_error("no paint"); }
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

class NanInfo : public Walker {
 public:
  static fastvec::Spec spec(const Config&) {
    fastvec::Spec result = Walker::spec(kNone);
    result.info = {fastvec::info_field<float>("ratio")};
    return result;
  }
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng, fastvec::Info& info) {
    const fastvec::StepResult result = Walker::step(kNone, action, rng);
    info.set(0, steps_ == 3 ? std::numeric_limits<float>::quiet_NaN() : 1.0f);
    return result;
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

// Leaves an element as it was before the first step.
class NotWritten : public Walker {
 public:
  void observe(const Config&, Observation observation) const {
    observation[0] = static_cast<float>(at_);
    observation[1] = static_cast<float>(steps_);
    if (steps_ > 0) observation[2] = 0.0f;
  }
};

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

class ThrowsLate : public Walker {
 public:
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    if (++total_ == 10'500) throw std::runtime_error("the log is full");
    return Walker::step(kNone, action, rng);
  }

 private:
  std::int64_t total_ = 0;
};

class NanLate : public Walker {
 public:
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    fastvec::StepResult result = Walker::step(kNone, action, rng);
    at_ = std::min(at_, 14.0);
    if (at_ < -900.0) at_ = 0.0;
    if (steps_ > 12'000) result.reward = std::sqrt(12'000.0 - static_cast<double>(steps_));
    result.terminated = false;
    return result;
  }
  void observe(const Config&, Observation observation) const {
    Walker::observe(kNone, observation);
    observation[1] = static_cast<float>(steps_ % 900);
  }
};

// save() forgets a member that matters once in three thousand steps.
class ForgetsLate : public ForgetsMember {
 public:
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    fastvec::StepResult result = Walker::step(kNone, action, rng);
    if (++total_ % 3'000 == 0) result.reward += 1.0;
    return result;
  }
  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options) {
    Walker::reset(kNone, rng, options);
    if (rng.random() < 0.0) total_ = 0;
  }

 private:
  std::int64_t total_ = 0;
};

class EmptyMask : public Walker {
 public:
  static fastvec::Spec spec(const Config&) {
    fastvec::Spec result = Walker::spec(kNone);
    result.info = {fastvec::info_field<std::int8_t>("action_mask", {3})};
    return result;
  }
  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options, fastvec::Info& info) {
    Walker::reset(kNone, rng, options);
    for (std::int8_t& allowed : info.array<std::int8_t>(0)) allowed = 1;
  }
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng, fastvec::Info& info) {
    const fastvec::StepResult result = Walker::step(kNone, action, rng);
    for (std::int8_t& allowed : info.array<std::int8_t>(0)) allowed = steps_ == 4 ? 0 : 1;
    return result;
  }
};

class NarrowMask : public Walker {
 public:
  static fastvec::Spec spec(const Config&) {
    fastvec::Spec result = Walker::spec(kNone);
    result.info = {fastvec::info_field<std::int8_t>("action_mask", {2})};
    return result;
  }
  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options, fastvec::Info& info) {
    Walker::reset(kNone, rng, options);
    for (std::int8_t& allowed : info.array<std::int8_t>(0)) allowed = 1;
  }
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng, fastvec::Info& info) {
    for (std::int8_t& allowed : info.array<std::int8_t>(0)) allowed = 1;
    return Walker::step(kNone, action, rng);
  }
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

class Sleeps : public Walker {
 public:
  fastvec::StepResult step(const Config&, Action action, fastvec::Rng& rng) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Walker::step(kNone, action, rng);
  }
};

}  // namespace

using fastvec::env;

FASTVEC_PLUGIN("broken", env<Walker>("broken/None-v0"), env<NanObservation>("broken/NanObservation-v0"),
               env<OutOfBounds>("broken/OutOfBounds-v0"), env<InfiniteReward>("broken/InfiniteReward-v0"),
               env<ThrowsAtCorner>("broken/ThrowsAtCorner-v0"), env<Throws>("broken/Throws-v0"),
               env<GlobalRandom>("broken/GlobalRandom-v0"), env<Leftover>("broken/Leftover-v0"),
               env<IgnoresSeed>("broken/IgnoresSeed-v0"), env<Neighbours>("broken/Neighbours-v0"),
               env<PerThread>("broken/PerThread-v0"), env<ObserveCounts>("broken/ObserveCounts-v0"),
               env<ForgetsMember>("broken/ForgetsMember-v0"), env<LoadsMore>("broken/LoadsMore-v0"),
               env<Pointer>("broken/Pointer-v0"), env<Address>("broken/Address-v0"),
               env<RestForgotten>("broken/RestForgotten-v0"), env<BadPicture>("broken/BadPicture-v0"),
               env<RenderThrows>("broken/RenderThrows-v0"), env<Allocates>("broken/Allocates-v0"),
               env<NanInfo>("broken/NanInfo-v0"), env<WritesBefore>("broken/WritesBefore-v0"),
               env<WritesBehind>("broken/WritesBehind-v0"), env<WritesBehindInfo>("broken/WritesBehindInfo-v0"),
               env<OneTooFar>("broken/OneTooFar-v0"), env<WritesToNeighbour>("broken/WritesToNeighbour-v0"),
               env<NotWritten>("broken/NotWritten-v0"), env<Crashes>("broken/Crashes-v0"),
               env<Aborts>("broken/Aborts-v0"), env<Exits>("broken/Exits-v0"), env<Hangs>("broken/Hangs-v0"),
               env<CrashesLate>("broken/CrashesLate-v0"), env<ThrowsLate>("broken/ThrowsLate-v0"),
               env<NanLate>("broken/NanLate-v0"), env<ForgetsLate>("broken/ForgetsLate-v0"),
               env<EmptyMask>("broken/EmptyMask-v0"), env<NarrowMask>("broken/NarrowMask-v0"),
               env<Clock>("broken/Clock-v0"), env<ProcessId>("broken/ProcessId-v0"), env<Scratch>("broken/Scratch-v0"),
               env<Sleeps>("broken/Sleeps-v0"))
