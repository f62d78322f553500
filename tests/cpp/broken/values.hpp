// Envs that give what they should not: observations, rewards, infos, masks, pictures and exceptions.
#pragma once

#include <fastvec/env.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>

#include "walker.hpp"

namespace broken {

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

// Leaves an element as it was before the first step.
class NotWritten : public Walker {
 public:
  void observe(const Config&, Observation observation) const {
    observation[0] = static_cast<float>(at_);
    observation[1] = static_cast<float>(steps_);
    if (steps_ > 0) observation[2] = 0.0f;
  }
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

}  // namespace broken
