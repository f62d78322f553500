// LunarLander, the numbers of gymnasium.envs.box2d.lunar_lander.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numbers>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "fastvec/env.hpp"
#include "library.hpp"
#include "replay.hpp"

namespace box2d_envs {

// Lengths are in metres: what Gymnasium has in pixels is divided by kScale.
namespace lander {
inline constexpr double kFps = 50.0, kScale = 30.0;
inline constexpr double kMainEnginePower = 13.0, kSideEnginePower = 0.6, kInitialRandom = 1000.0;
inline constexpr double kWidth = 600.0 / kScale, kHeight = 400.0 / kScale;
inline constexpr double kLegAway = 20.0, kLegDown = 18.0, kLegWidth = 2.0, kLegHeight = 8.0, kLegSpringTorque = 40.0;
inline constexpr double kMainEngineY = 4.0, kSideEngineHeight = 14.0, kSideEngineAway = 12.0;
inline constexpr std::array<std::array<double, 2>, 6> kHull{
    {{-14.0, +17.0}, {-17.0, 0.0}, {-17.0, -10.0}, {+17.0, -10.0}, {+17.0, 0.0}, {+14.0, +17.0}}};
inline constexpr int kChunks = 11;
}  // namespace lander

template <bool kContinuous>
class LunarLander {
 public:
  struct Config {
    std::vector<std::int64_t> addresses = {};  // of the library's functions
    double gravity = -10.0;
    bool enable_wind = false;
    double wind_power = 15.0;
    double turbulence_power = 1.5;

    static constexpr auto kwargs() {
      return std::tuple{fastvec::kwarg("_addresses", &Config::addresses),
                        fastvec::kwarg("gravity", &Config::gravity, "downwards, in m/s^2: between -12 and 0"),
                        fastvec::kwarg("enable_wind", &Config::enable_wind, "push and turn the lander while it flies"),
                        fastvec::kwarg("wind_power", &Config::wind_power, "largest force of the wind, in newtons"),
                        fastvec::kwarg("turbulence_power", &Config::turbulence_power,
                                       "largest torque of the wind, in newton metres")};
    }
    static constexpr auto parameters() {
      return std::tuple{
          fastvec::parameter("gravity", &Config::gravity, "downwards, in m/s^2; from the next reset on"),
          fastvec::parameter("enable_wind", &Config::enable_wind, "push and turn the lander while it flies"),
          fastvec::parameter("wind_power", &Config::wind_power, "largest force of the wind, in newtons"),
          fastvec::parameter("turbulence_power", &Config::turbulence_power,
                             "largest torque of the wind, in newton metres")};
    }
  };
  struct Shared {
    explicit Shared(const Config& given) : config(given), library(given.addresses) {}
    Config config;
    Library library;
  };
  using Action = std::conditional_t<kContinuous, std::span<const float, 2>, std::int64_t>;
  using Observation = std::span<float, 8>;

  LunarLander(const Shared& shared, std::int64_t) : shared_(&shared), flight_(std::make_unique<Flight>()) {}

  static std::int64_t bytes_elsewhere(const Shared&) {
    return static_cast<std::int64_t>(kWorldSize + sizeof(Flight)) + (1 << 14);  // and a block of the world's allocator
  }

  static fastvec::Spec spec(const Shared& shared) {
    const Config& config = shared.config;
    // (Gymnasium's constructor, which is called as well, takes gravity from -12 to 0 alone; set_attr takes any.)
    for (const auto& [name, value] : {std::pair{"gravity", config.gravity}, std::pair{"wind_power", config.wind_power},
                                      std::pair{"turbulence_power", config.turbulence_power}}) {
      if (!std::isfinite(static_cast<float>(value))) {
        throw fastvec::InvalidArgument(std::string("expected a finite ") + name + ", got " + std::to_string(value));
      }
    }
    constexpr auto kTurn = static_cast<float>(2.0 * std::numbers::pi);
    std::vector<float> low{-2.5f, -2.5f, -10.0f, -10.0f, -kTurn, -10.0f, -0.0f, -0.0f};
    std::vector<float> high{2.5f, 2.5f, 10.0f, 10.0f, kTurn, 10.0f, 1.0f, 1.0f};
    fastvec::Space observation = fastvec::Box<float>(low, high, {8});
    if constexpr (kContinuous) {
      return {.observation = std::move(observation), .action = fastvec::Box<float>(-1.0f, 1.0f, {2})};
    } else {
      return {.observation = std::move(observation), .action = fastvec::Discrete(4)};
    }
  }

  void reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options&) {
    const Weather weather(shared.config);
    first_wind_ = wind_;
    replay_.begin(rng.state(), weather);
    begin(weather, rng);
    replay_.left(rng.state());
  }

  fastvec::StepResult step(const Shared& shared, std::int64_t action, fastvec::Rng& rng)
    requires(!kContinuous)
  {
    return advance_and_note(shared, static_cast<Engines>(action), rng);
  }
  template <class T>
  fastvec::StepResult step(const Shared& shared, std::span<const T, 2> action, fastvec::Rng& rng)
    requires(kContinuous)
  {
    const auto clip = [](T x) { return static_cast<double>(x < T{-1} ? T{-1} : x > T{1} ? T{1} : x); };
    return advance_and_note(shared, Engines{clip(action[0]), clip(action[1])}, rng);
  }

  void observe(const Shared&, Observation observation) const {
    std::copy(observation_.begin(), observation_.end(), observation.begin());
  }

  void save(fastvec::StateWriter& writer) const {
    writer.value(view());
    replay_.save(writer);
    writer.value(first_wind_);
  }
  void load(fastvec::StateReader& reader) {
    const View expected = reader.template value<View>();
    replay_.load(reader);
    wind_ = first_wind_ = reader.template value<Wind>();
    if (expected.has_started == 0) {
      *flight_ = Flight();
      return;
    }
    replay_.play(
        [&](const Weather& weather, fastvec::Rng& rng) { begin(weather, rng); },
        [&](const Weather& weather, const Engines& engines, fastvec::Rng& rng) { advance(weather, engines, rng); });
    const View found = view();
    if (std::memcmp(&found, &expected, sizeof found) != 0) {
      throw std::runtime_error("the saved episode plays differently here: it was saved with another Box2D");
    }
  }

 private:
  // Throttles of the main and the side engine, clipped; or the number of the engine.
  using Engines = std::conditional_t<kContinuous, std::array<double, 2>, std::uint8_t>;

  // What an episode is flown in: what set_attr may change.
  struct Weather {
    Weather() = default;
    explicit Weather(const Config& config)
        : gravity(config.gravity),
          wind_power(config.wind_power),
          turbulence_power(config.turbulence_power),
          enable_wind(config.enable_wind ? 1 : 0) {}
    double gravity = 0.0, wind_power = 0.0, turbulence_power = 0.0;
    std::uint64_t enable_wind = 0;
  };
  // Where the gusts are, of force and torque. They blow on from episode to episode where no reset draws them anew.
  struct Wind {
    std::int64_t index = 0, torque_index = 0;
    std::uint64_t is_drawn = 0;
  };

  // What Python draws and is asked for: python/fastvec/envs/box2d/counterparts.py reads it.
  struct View {
    std::array<BodyView, 3> bodies;  // lander, legs
    std::array<std::uint8_t, 2> leg_contacts;
    std::uint8_t game_over;
    std::uint8_t has_started;
    std::uint8_t is_awake;
    std::uint8_t has_shaping;
    std::uint8_t padding[2];
    double shaping;
    std::int64_t wind_index, torque_index;
  };
  static_assert(sizeof(View) == 104);

  // A world and what listens to it, which the world knows by its address.
  struct Flight : ContactListener {
    std::unique_ptr<OwnedWorld> world;
    Body* lander = nullptr;
    std::array<Body*, 2> legs{};
    std::array<bool, 2> leg_contacts{};
    bool game_over = false;

    void begin_contact(Contact* contact) override {
      if (contact->is_of(lander)) game_over = true;
      for (std::size_t i = 0; i < 2; ++i) leg_contacts[i] = leg_contacts[i] || contact->is_of(legs[i]);
    }
    void end_contact(Contact* contact) override {
      for (std::size_t i = 0; i < 2; ++i) leg_contacts[i] = leg_contacts[i] && !contact->is_of(legs[i]);
    }
    Flight() = default;
    Flight(const Flight&) = delete;
    Flight& operator=(Flight&&) = default;
  };

  void begin(const Weather& weather, fastvec::Rng& rng) {
    using namespace lander;
    const Library& library = shared_->library;
    Flight& flight = *flight_;
    flight.world = std::make_unique<OwnedWorld>(library, vec2(0.0, weather.gravity));  // a new one each time, as there
    flight.world->listen(&flight);
    flight.game_over = false;
    flight.leg_contacts = {};
    has_shaping_ = false;
    OwnedWorld& world = *flight.world;

    std::array<double, kChunks + 1> height;
    for (double& at : height) at = rng.uniform(0.0, kHeight / 2.0);
    helipad_y_ = kHeight / 4.0;
    for (int i = kChunks / 2 - 2; i <= kChunks / 2 + 2; ++i) height[static_cast<std::size_t>(i)] = helipad_y_;
    std::array<double, kChunks> x, y;
    for (std::size_t i = 0; i < kChunks; ++i) {
      x[i] = kWidth / (kChunks - 1) * static_cast<double>(i);
      y[i] = 0.33 * (height[i == 0 ? kChunks : i - 1] + height[i] + height[i + 1]);
    }
    const EdgeShape bottom = library.edge(vec2(0.0, 0.0), vec2(kWidth, 0.0));
    Body* const moon = world.add_static({.shape = &bottom});
    for (std::size_t i = 0; i + 1 < kChunks; ++i) {
      const EdgeShape edge = library.edge(vec2(x[i], y[i]), vec2(x[i + 1], y[i + 1]));
      world.add_fixture(moon, {.shape = &edge, .friction = 0.1f});
    }

    std::array<Vec2, kHull.size()> hull;
    for (std::size_t i = 0; i < hull.size(); ++i) hull[i] = vec2(kHull[i][0] / kScale, kHull[i][1] / kScale);
    const PolygonShape hull_shape = library.polygon(hull);
    const double start_x = kWidth / 2.0, start_y = kHeight;
    flight.lander = world.add_dynamic(
        vec2(start_x, start_y), 0.0f,
        {.shape = &hull_shape, .friction = 0.1f, .density = 5.0f, .filter = {.category = 0x0010, .mask = 0x0001}});
    const double force_x = rng.uniform(-kInitialRandom, kInitialRandom);
    const double force_y = rng.uniform(-kInitialRandom, kInitialRandom);
    flight.lander->apply_force(vec2(force_x, force_y));
    if (weather.enable_wind != 0) {
      wind_.index = rng.integers(-9999, 9999);
      wind_.torque_index = rng.integers(-9999, 9999);
      wind_.is_drawn = 1;
    }

    const PolygonShape leg_shape = library.box(kLegWidth / kScale, kLegHeight / kScale);
    for (std::size_t k = 0; k < 2; ++k) {
      const double side = k == 0 ? -1.0 : +1.0;
      Body* const leg =
          world.add_dynamic(vec2(start_x - side * kLegAway / kScale, start_y), static_cast<float>(side * 0.05),
                            {.shape = &leg_shape, .density = 1.0f, .filter = {.category = 0x0020, .mask = 0x0001}});
      RevoluteJointDefinition joint;
      joint.body_a = flight.lander;
      joint.body_b = leg;
      joint.local_anchor_b = vec2(side * kLegAway / kScale, kLegDown / kScale);
      joint.reference_angle = angle_between(*flight.lander, *leg);
      joint.enable_motor = joint.enable_limit = true;
      joint.max_motor_torque = static_cast<float>(kLegSpringTorque);
      joint.motor_speed = static_cast<float>(0.3 * side);
      joint.lower_angle = static_cast<float>(k == 0 ? 0.9 - 0.5 : -0.9);
      joint.upper_angle = static_cast<float>(k == 0 ? 0.9 : -0.9 + 0.5);
      world.add_joint(joint);
      flight.legs[k] = leg;
    }
    advance(weather, Engines{}, rng);
  }

  fastvec::StepResult advance_and_note(const Shared& shared, const Engines& engines, fastvec::Rng& rng) {
    const Weather weather(shared.config);
    if (weather.enable_wind != 0 && wind_.is_drawn == 0) {
      throw std::runtime_error("enable_wind was set in an episode that began without wind: reset the env first");
    }
    replay_.add(engines, rng.state(), weather);
    const fastvec::StepResult result = advance(weather, engines, rng);
    replay_.left(rng.state());
    return result;
  }

  fastvec::StepResult advance(const Weather& weather, const Engines& engines, fastvec::Rng& rng) {
    using namespace lander;
    Flight& flight = *flight_;
    Body& body = *flight.lander;
    if (weather.enable_wind != 0 && !(flight.leg_contacts[0] || flight.leg_contacts[1])) {
      body.apply_force(vec2(gust(wind_.index++) * weather.wind_power, 0.0));
      body.apply_torque(static_cast<float>(gust(wind_.torque_index++) * weather.turbulence_power));
    }

    const auto angle = static_cast<double>(body.angle());
    const double tip_x = std::sin(angle), tip_y = std::cos(angle);
    const double side_x = -tip_y, side_y = tip_x;
    const double dispersion_along = rng.uniform(-1.0, 1.0) / kScale;
    const double dispersion_across = rng.uniform(-1.0, 1.0) / kScale;
    const auto [main_power, side_power, direction] = thrust(engines);
    const double x = static_cast<double>(body.position().x), y = static_cast<double>(body.position().y);

    if (main_power > 0.0) {
      const double along = kMainEngineY / kScale + 2.0 * dispersion_along;
      const double ox = tip_x * along + side_x * dispersion_across;
      const double oy = -tip_y * along - side_y * dispersion_across;
      body.apply_impulse(vec2(-ox * kMainEnginePower * main_power, -oy * kMainEnginePower * main_power),
                         vec2(x + ox, y + oy));
    }
    if (side_power > 0.0) {
      const double across = 3.0 * dispersion_across + direction * kSideEngineAway / kScale;
      const double ox = tip_x * dispersion_along + side_x * across;
      const double oy = -tip_y * dispersion_along - side_y * across;
      // 17: Gymnasium's own number here, where the height of the engine is meant.
      body.apply_impulse(vec2(-ox * kSideEnginePower * side_power, -oy * kSideEnginePower * side_power),
                         vec2(x + ox - tip_x * 17.0 / kScale, y + oy + tip_y * kSideEngineHeight / kScale));
    }
    flight.world->step(static_cast<float>(1.0 / kFps), 6 * 30, 2 * 30);
    return judge(main_power, side_power);
  }

  fastvec::StepResult judge(double main_power, double side_power) {
    using namespace lander;
    const Flight& flight = *flight_;
    const Body& body = *flight.lander;
    const Vec2 position = body.position(), velocity = body.linear_velocity();
    const std::array<double, 8> state{
        (static_cast<double>(position.x) - kWidth / 2.0) / (kWidth / 2.0),
        (static_cast<double>(position.y) - (helipad_y_ + kLegDown / kScale)) / (kHeight / 2.0),
        static_cast<double>(velocity.x) * (kWidth / 2.0) / kFps,
        static_cast<double>(velocity.y) * (kHeight / 2.0) / kFps,
        static_cast<double>(body.angle()),
        20.0 * static_cast<double>(body.angular_velocity()) / kFps,
        flight.leg_contacts[0] ? 1.0 : 0.0,
        flight.leg_contacts[1] ? 1.0 : 0.0};
    for (std::size_t i = 0; i < state.size(); ++i) observation_[i] = static_cast<float>(state[i]);

    const double shaping = -100.0 * std::sqrt(state[0] * state[0] + state[1] * state[1]) -
                           100.0 * std::sqrt(state[2] * state[2] + state[3] * state[3]) - 100.0 * std::fabs(state[4]) +
                           10.0 * state[6] + 10.0 * state[7];
    double reward = has_shaping_ ? shaping - shaping_ : 0.0;
    shaping_ = shaping;
    has_shaping_ = true;
    reward -= main_power * 0.30;
    reward -= side_power * 0.03;
    bool terminated = false;
    if (flight.game_over || std::fabs(state[0]) >= 1.0) {
      terminated = true;
      reward = -100.0;
    }
    if (!body.is_awake()) {
      terminated = true;
      reward = 100.0;
    }
    return {.reward = reward, .terminated = terminated};
  }

  // tanh(sin(2 k x) + sin(pi k x)) with k = 0.01, which has no period.
  static double gust(std::int64_t index) {
    const auto x = static_cast<double>(index);
    return std::tanh(std::sin(0.02 * x) + std::sin(std::numbers::pi * 0.01 * x));
  }

  struct Thrust {
    double main_power, side_power, direction;
  };
  static Thrust thrust(const Engines& engines) {
    if constexpr (kContinuous) {
      // A NaN fires no engine: all comparisons with it are false.
      const auto [main, side] = engines;
      const double size = std::fabs(side);
      return {main > 0.0 ? (std::clamp(main, 0.0, 1.0) + 1.0) * 0.5 : 0.0,
              size > 0.5 ? std::clamp(size, 0.5, 1.0) : 0.0, side > 0.0 ? 1.0 : -1.0};
    } else {
      const bool is_side = engines == 1 || engines == 3;
      return {engines == 2 ? 1.0 : 0.0, is_side ? 1.0 : 0.0, static_cast<double>(engines) - 2.0};
    }
  }

  View view() const {
    View view{};
    const Flight& flight = *flight_;
    view.has_started = flight.world ? 1 : 0;
    if (!flight.world) return view;
    const std::array<const Body*, 3> bodies{flight.lander, flight.legs[0], flight.legs[1]};
    for (std::size_t i = 0; i < 3; ++i) view.bodies[i] = BodyView::of(*bodies[i]);
    for (std::size_t i = 0; i < 2; ++i) view.leg_contacts[i] = flight.leg_contacts[i] ? 1 : 0;
    view.game_over = flight.game_over ? 1 : 0;
    view.is_awake = flight.lander->is_awake() ? 1 : 0;
    view.has_shaping = has_shaping_ ? 1 : 0;
    view.shaping = shaping_;
    view.wind_index = wind_.index;
    view.torque_index = wind_.torque_index;
    return view;
  }

  const Shared* shared_;  // the vector's, which outlives the world: an env's own goes with its parameters
  std::unique_ptr<Flight> flight_;
  Replay<Engines, Weather> replay_;
  Wind wind_, first_wind_;  // and as the episode found it
  double helipad_y_ = 0.0;
  double shaping_ = 0.0;
  bool has_shaping_ = false;
  std::array<float, 8> observation_{};
};

}  // namespace box2d_envs
