// CarRacing, the numbers of gymnasium.envs.box2d.car_racing, and its pictures.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "canvas.hpp"
#include "fastvec/env.hpp"
#include "library.hpp"
#include "race_car.hpp"
#include "race_picture.hpp"
#include "race_track.hpp"
#include "replay.hpp"

namespace box2d_envs {

class CarRacing {
 public:
  struct Config {
    std::vector<std::int64_t> addresses = {};  // of the library's functions
    std::vector<std::int64_t> digits = {};     // race_picture.hpp: Digits
    bool continuous = true;
    bool domain_randomize = false;
    double lap_complete_percent = 0.95;

    static constexpr auto kwargs() {
      return std::tuple{
          fastvec::kwarg("_addresses", &Config::addresses), fastvec::kwarg("_digits", &Config::digits),
          fastvec::kwarg("lap_complete_percent", &Config::lap_complete_percent,
                         "share of the tiles that has to be visited before the first one ends the lap"),
          fastvec::kwarg("domain_randomize", &Config::domain_randomize, "other colors in each episode"),
          fastvec::kwarg("continuous", &Config::continuous, "steering, gas and brake as the action, or five numbers")};
    }
    static constexpr auto parameters() {
      return std::tuple{
          fastvec::parameter("lap_complete_percent", &Config::lap_complete_percent,
                             "share of the tiles that has to be visited; from the next reset on"),
          fastvec::parameter("domain_randomize", &Config::domain_randomize, "other colors from the next reset on")};
    }
  };
  struct Shared {
    explicit Shared(const Config& given)
        : config(given), library(given.addresses), digits(given.digits), shapes(library) {}

    Config config;
    Library library;
    Digits digits;
    RaceCar::Shapes shapes;
  };
  using Action = fastvec::ActionRows;  // of three numbers or of one, as `continuous` says
  using Observation = std::span<std::uint8_t, Canvas::kSmall * Canvas::kSmall * 3>;

  static constexpr std::array kOptions{
      fastvec::Option{"randomize", "0 keeps the colors that there are (with domain_randomize)"}};

  CarRacing(const Shared& shared, std::int64_t) : shared_(&shared), drive_(std::make_unique<Drive>()) {}

  static std::int64_t bytes_elsewhere(const Shared&) {
    return static_cast<std::int64_t>(kWorldSize + sizeof(Drive)) + (1 << 18);  // and the blocks of 300 bodies
  }

  static fastvec::Spec spec(const Shared& shared);

  void reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options& options);
  template <class Rows>
  fastvec::StepResult step(const Shared& shared, const Rows& action, fastvec::Rng& rng, fastvec::Info& info) {
    if (!shared.config.continuous)
      return step_with(shared, discrete(action.template leaf<std::int64_t>(0)[0]), rng, info);
    if constexpr (std::is_same_v<Rows, fastvec::Float64ActionRows>) {
      return step_with(shared, continuous(action.template leaf<double>(0)), rng, info);
    } else {
      return step_with(shared, continuous(action.template leaf<float>(0)), rng, info);
    }
  }
  void observe(const Shared& shared, Observation observation) const;

  void save(fastvec::StateWriter& writer) const;
  void load(fastvec::StateReader& reader);

 private:
  struct Pedals {
    double steer, gas, brake;
  };

  // What set_attr may change. An episode goes on with what it began with.
  struct Setting {
    double lap_complete_percent = 0.0;
    std::uint64_t is_recolored = 0;  // the episode begins with a draw of colors
  };

  // What Python draws and is asked for: python/fastvec/envs/box2d/counterparts.py reads it.
  struct View {
    struct WheelView {
      double gas, brake, steer, phase, omega;
    };
    std::array<BodyView, 5> bodies;  // hull, wheels
    std::array<WheelView, 4> wheels;
    double reward, last_reward, shown_reward, seconds;
    RaceColors colors;  // as they are in this episode
    std::int64_t tiles_visited;
    std::uint8_t has_started;
    std::uint8_t is_lap_over;
    std::uint8_t is_recolored;  // the episode began with a draw of colors
    std::uint8_t padding[5];
  };
  static_assert(sizeof(View) == 400);

  // Of a body that takes part in contacts: which of them it is.
  struct Mark {
    enum class Kind : std::uint8_t { kTile, kWheel };
    Kind kind;
    std::size_t index;
  };

  // A world and what listens to it, which the world knows by its address.
  struct Drive : ContactListener {
    // Bits of a tile's state.
    static constexpr std::uint8_t kVisited = 1, kTouched = 2;
    static std::uint8_t under_wheel(std::size_t wheel) { return static_cast<std::uint8_t>(4u << wheel); }

    std::unique_ptr<OwnedWorld> world;
    RaceTrack track;
    RaceCar car;
    std::vector<Body*> tiles;
    std::vector<Mark> tile_marks;
    std::array<Mark, RaceCar::kWheels> wheel_marks;
    std::vector<std::uint8_t> tile_states;
    double lap_complete_percent = 0.0;
    double reward = 0.0;
    std::int64_t tiles_visited = 0;
    bool is_lap_over = false;

    void begin_contact(Contact* contact) override { touch(*contact, true); }
    void end_contact(Contact* contact) override { touch(*contact, false); }
    void touch(const Contact& contact, bool begins);
  };

  static Pedals discrete(std::int64_t action);
  template <class T>
  static Pedals continuous(std::span<const T> action) {
    for (std::size_t i = 0; i < 3; ++i) {
      if (std::isnan(action[i])) {
        throw std::runtime_error("expected an action without NaN, got one at " + std::to_string(i));
      }
    }
    return {-static_cast<double>(action[0]), static_cast<double>(action[1]), static_cast<double>(action[2])};
  }

  fastvec::StepResult step_with(const Shared& shared, const Pedals& pedals, fastvec::Rng& rng, fastvec::Info& info);
  // Takes the bodies of the last episode out of the world, which stays.
  void clear();
  void recolor(fastvec::Rng& rng);
  void begin(const Shared& shared, const Setting& setting, fastvec::Rng& rng);
  void move(const Shared& shared);
  struct Outcome {
    fastvec::StepResult result;
    bool is_known;  // whether the lap is finished or not is said
    bool is_finished;
  };
  Outcome advance(const Shared& shared, const Pedals& pedals);
  View view() const;

  const Shared* shared_;  // the vector's, which outlives the world: an env's own goes with its parameters
  std::unique_ptr<Drive> drive_;
  WorldHistory history_;            // as the episode found it
  RaceColors colors_, old_colors_;  // and those before it
  bool has_colors_ = false;
  Setting setting_;
  Replay<Pedals, Setting> replay_;
  double last_reward_ = 0.0, shown_reward_ = 0.0, seconds_ = 0.0;
};

}  // namespace box2d_envs
