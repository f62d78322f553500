// BipedalWalker and its hardcore version, the numbers of gymnasium.envs.box2d.bipedal_walker.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numbers>
#include <span>
#include <string>
#include <vector>

#include "fastvec/env.hpp"
#include "library.hpp"
#include "replay.hpp"
#include "walker_terrain.hpp"

namespace box2d_envs {

class BipedalWalker {
 public:
  struct Config {
    std::vector<std::int64_t> addresses = {};  // of the library's functions
    bool hardcore = false;

    static constexpr auto kwargs() {
      return std::tuple{fastvec::kwarg("_addresses", &Config::addresses),
                        fastvec::kwarg("hardcore", &Config::hardcore, "with stumps, stairs and pits")};
    }
    static constexpr auto parameters() {
      return std::tuple{
          fastvec::parameter("hardcore", &Config::hardcore, "with stumps, stairs and pits, from the next reset on")};
    }
  };
  struct Shared {
    explicit Shared(const Config& given);

    Config config;
    Library library;
    PolygonShape hull, leg, lower_leg;
    std::array<std::array<double, 2>, 10> rays;  // of the lidar: from the hull, in metres
  };
  using Action = std::span<const float, 4>;
  using Observation = std::span<float, 24>;

  BipedalWalker(const Shared& shared, std::int64_t) : shared_(&shared), walk_(std::make_unique<Walk>()) {}

  static std::int64_t bytes_elsewhere(const Shared&) {
    return static_cast<std::int64_t>(kWorldSize + sizeof(Walk)) + (1 << 17);  // and the blocks of 205 bodies
  }

  static fastvec::Spec spec(const Shared&) {
    constexpr auto kPi = std::numbers::pi_v<float>;
    std::vector<float> high{kPi, 5.0f, 5.0f, 5.0f, kPi, 5.0f, kPi, 5.0f, 5.0f, kPi, 5.0f, kPi, 5.0f, 5.0f};
    std::vector<float> low{-kPi, -5.0f, -5.0f, -5.0f, -kPi, -5.0f, -kPi, -5.0f, -0.0f, -kPi, -5.0f, -kPi, -5.0f, -0.0f};
    high.insert(high.end(), 10, 1.0f);
    low.insert(low.end(), 10, -1.0f);
    return {.observation = fastvec::Box<float>(low, high, {24}), .action = fastvec::Box<float>(-1.0f, 1.0f, {4})};
  }

  void reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options&) {
    Walk& walk = *walk_;
    if (!walk.world) walk.world = std::make_unique<OwnedWorld>(shared_->library, vec2(0.0, -10.0));
    clear();
    history_ = walk.world->history();
    const Setting setting{.is_hardcore = shared.config.hardcore ? std::uint64_t{1} : 0};
    replay_.begin(rng.state(), setting);
    begin(shared, setting, rng);
    replay_.left(rng.state());
  }

  template <class T>
  fastvec::StepResult step(const Shared& shared, std::span<const T, 4> action, fastvec::Rng& rng) {
    Torques torques{.is_float32 = sizeof(T) == sizeof(float)};
    for (std::size_t i = 0; i < 4; ++i) {
      if (std::isnan(action[i]))
        throw std::runtime_error("expected an action without NaN, got one at " + std::to_string(i));
      torques.actions[i] = static_cast<double>(action[i]);
    }
    replay_.add(torques, rng.state(), {.is_hardcore = shared.config.hardcore ? std::uint64_t{1} : 0});
    const fastvec::StepResult result = advance(shared, torques);
    replay_.left(rng.state());
    return result;
  }

  void observe(const Shared&, Observation observation) const {
    std::copy(observation_.begin(), observation_.end(), observation.begin());
  }

  void save(fastvec::StateWriter& writer) const {
    writer.value(view());
    writer.sequence(history_.free_nodes);
    writer.value(history_.last_rate);
    replay_.save(writer);
  }
  void load(fastvec::StateReader& reader) {
    const View expected = reader.value<View>();
    history_.free_nodes = reader.sequence<std::vector<std::int32_t>>();
    history_.last_rate = reader.value<float>();
    replay_.load(reader);
    walk_ = std::make_unique<Walk>();
    if (expected.has_started == 0) return;
    walk_->world = std::make_unique<OwnedWorld>(shared_->library, vec2(0.0, -10.0));
    walk_->world->restore(history_);
    replay_.play([&](const Setting& setting, fastvec::Rng& rng) { begin(*shared_, setting, rng); },
                 [&](const Setting&, const Torques& torques, fastvec::Rng&) { advance(*shared_, torques); });
    const View found = view();
    if (std::memcmp(&found, &expected, sizeof found) != 0) {
      throw std::runtime_error("the saved episode plays differently here: it was saved with another Box2D");
    }
  }

 private:
  // One step's action, as it came: of a float32 one the cost is a float32, too.
  struct Torques {
    std::array<double, 4> actions{};
    std::uint64_t is_float32 = 0;
  };

  // What set_attr may change.
  struct Setting {
    std::uint64_t is_hardcore = 0;
  };

  // What Python draws and is asked for: python/fastvec/envs/box2d/counterparts.py reads it.
  struct View {
    std::array<BodyView, 5> bodies;  // hull; upper and lower leg, twice
    std::array<std::array<float, 2>, 10> ray_ends;
    std::array<float, 10> ray_fractions;
    std::array<float, 2> eye;
    std::array<std::uint8_t, 2> leg_contacts;
    std::uint8_t game_over;
    std::uint8_t has_started;
    std::uint8_t has_shaping;
    std::uint8_t padding[3];
    double shaping;
  };
  static_assert(sizeof(View) == 264);

  // A world and what listens to it, which the world knows by its address.
  struct Walk : ContactListener {
    std::unique_ptr<OwnedWorld> world;
    std::vector<Body*> terrain;  // in the order in which it is destroyed
    Body* hull = nullptr;
    std::array<Body*, 4> legs{};  // upper and lower, twice
    std::array<Joint*, 4> joints{};
    std::array<bool, 2> leg_contacts{};
    bool game_over = false;

    void begin_contact(Contact* contact) override {
      if (contact->is_of(hull)) game_over = true;
      for (std::size_t i = 0; i < 2; ++i) leg_contacts[i] = leg_contacts[i] || contact->is_of(legs[2 * i + 1]);
    }
    void end_contact(Contact* contact) override {
      for (std::size_t i = 0; i < 2; ++i) leg_contacts[i] = leg_contacts[i] && !contact->is_of(legs[2 * i + 1]);
    }
  };

  // The nearest thing that is ground.
  struct Ray : RayCastCallback {
    Vec2 end;
    float fraction = 1.0f;

    float report_fixture(Fixture* fixture, const Vec2& point, const Vec2&, float at) override {
      if ((fixture->category() & 1) == 0) return -1.0f;
      end = point;
      fraction = at;
      return at;
    }
  };

  // Takes the bodies of the last episode out of the world, which stays.
  void clear();
  void begin(const Shared& shared, const Setting& setting, fastvec::Rng& rng);
  fastvec::StepResult advance(const Shared& shared, const Torques& torques);
  View view() const;

  const Shared* shared_;  // the vector's, which outlives the world: an env's own goes with its parameters
  std::unique_ptr<Walk> walk_;
  WorldHistory history_;  // as the episode found it
  Replay<Torques, Setting> replay_;
  double shaping_ = 0.0;
  bool has_shaping_ = false;
  std::array<Vec2, 10> ray_ends_{};
  Vec2 eye_;  // where the rays start
  std::array<float, 24> observation_{};
};

}  // namespace box2d_envs
