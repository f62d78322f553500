// An episode as what was done in it: the generator at its reset, the actions since, and what set_attr changed.
//
// Box2D keeps contacts, impulses of the last step and trees that nobody can put back into a world. But an episode is a
// function of its start and its actions, so it can be played again: exact to the last bit, and as slow as its steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "fastvec/rng.hpp"
#include "fastvec/rows.hpp"
#include "library.hpp"

namespace box2d_envs {

// `Action` and `Setting` are plain, and a Setting has no padding. A setting is what an episode is played with beside
// its actions: parameters that set_attr may change, also on the way.
template <class Action, class Setting>
class Replay {
 public:
  // An episode begins, and will be played with actions from here on.
  void begin(const fv_rng& rng, const Setting& setting) {
    actions_.clear();
    generators_.clear();
    generators_.push_back({0, rng});
    settings_.clear();
    settings_.push_back({0, setting});
  }
  // The reset is over (or a step is), and has left the generator so.
  void left(const fv_rng& rng) { last_ = rng; }
  // A step follows. A generator that is not as it was left was set by somebody (set_attr, set_state).
  void add(const Action& action, const fv_rng& rng, const Setting& setting) {
    actions_.push_back(action);
    if (!same(rng, last_)) generators_.push_back({actions_.size(), rng});
    if (!same(setting, settings_.back().setting)) settings_.push_back({actions_.size(), setting});
  }

  // Plays it: `reset(setting, rng)`, then `step(setting, action, rng)` for each action.
  template <class Reset, class Step>
  void play(const Reset& reset, const Step& step) {
    if (generators_.empty() || generators_.front().at != 0 || settings_.empty() || settings_.front().at != 0) {
      throw std::runtime_error("the saved state is damaged: its episode has no beginning");
    }
    fv_rng state = generators_.front().rng;
    Setting setting = settings_.front().setting;
    fastvec::Rng rng(state);
    reset(setting, rng);
    std::size_t next = 1, next_setting = 1;
    for (std::size_t i = 0; i < actions_.size(); ++i) {
      if (next < generators_.size() && generators_[next].at == i + 1) state = generators_[next++].rng;
      if (next_setting < settings_.size() && settings_[next_setting].at == i + 1) {
        setting = settings_[next_setting++].setting;
      }
      step(setting, actions_[i], rng);
    }
    last_ = state;
  }

  void save(fastvec::StateWriter& writer) const {
    writer.sequence(generators_);
    writer.sequence(actions_);
    writer.sequence(settings_);
    writer.value(last_);
  }
  void load(fastvec::StateReader& reader) {
    generators_ = reader.sequence<std::vector<Generator>>();
    actions_ = reader.sequence<std::vector<Action>>();
    settings_ = reader.sequence<std::vector<SettingFrom>>();
    last_ = reader.value<fv_rng>();
  }

 private:
  struct Generator {
    std::uint64_t at;  // 0: at the reset; k: before step k
    fv_rng rng;
  };
  struct SettingFrom {
    std::uint64_t at;  // as above
    Setting setting;
  };
  template <class T>
  static bool same(const T& a, const T& b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
  }

  static_assert(std::is_trivially_copyable_v<Action> && std::is_trivially_copyable_v<Setting>);
  std::vector<Generator> generators_;
  std::vector<Action> actions_;
  std::vector<SettingFrom> settings_;
  fv_rng last_{};
};

// What a picture of a body needs, and what Python may ask of it.
struct BodyView {
  float x, y, angle, velocity_x, velocity_y, angular_velocity;

  static BodyView of(const Body& body) {
    return {body.position().x,        body.position().y,        body.angle(),
            body.linear_velocity().x, body.linear_velocity().y, body.angular_velocity()};
  }
};

}  // namespace box2d_envs
