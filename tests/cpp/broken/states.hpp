// Envs whose state is not all there is, or not all saved.
#pragma once

#include <fastvec/env.hpp>

#include <algorithm>
#include <cstdint>

#include "walker.hpp"

namespace broken {

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

}  // namespace broken
