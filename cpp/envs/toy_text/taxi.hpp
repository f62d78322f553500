// Taxi, the numbers of gymnasium.envs.toy_text.taxi.TaxiEnv bit for bit.
// Source: Dietterich, "Hierarchical Reinforcement Learning with the MAXQ Value Function Decomposition" (2000).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "fastvec/env.hpp"
#include "transitions.hpp"

namespace toy_text {

class Taxi {
 public:
  struct Config {
    bool is_rainy = false;
    bool fickle_passenger = false;
    double rainy_probability = 0.8;
    bool rainy_probability_is_int = false;
    double fickle_probability = 0.3;

    static constexpr auto kwargs() {
      return std::tuple{fastvec::kwarg("is_rainy", &Config::is_rainy, "the taxi may drift to either side"),
                        fastvec::kwarg("fickle_passenger", &Config::fickle_passenger,
                                       "the passenger may change the destination, once"),
                        fastvec::kwarg("rainy_probability", &Config::rainy_probability, "probability of not drifting"),
                        fastvec::kwarg("rainy_probability_is_int", &Config::rainy_probability_is_int,
                                       "info[\"prob\"] of a move that does not drift is an int"),
                        fastvec::kwarg("fickle_probability", &Config::fickle_probability,
                                       "probability that the passenger of an episode is fickle")};
    }
  };

  struct Shared {
    explicit Shared(const Config& config);

    Transitions transitions;
    StartStates starts;
    std::array<std::array<std::int8_t, 6>, 500> masks;  // per state: the actions that change it
    bool fickle_passenger;
    double fickle_probability;
  };

  using Action = std::int64_t;
  using Observation = std::int64_t&;

  static fastvec::Spec spec(const Shared&) {
    std::vector<fastvec::InfoField> info = prob_fields();
    info.push_back(fastvec::info_field<std::int8_t>("action_mask", {kNumActions}));
    return {.observation = fastvec::Discrete(kNumStates),
            .action = fastvec::Discrete(kNumActions),
            .info = std::move(info)};
  }

  void reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options&, fastvec::Info& info) {
    state_ = static_cast<std::int32_t>(shared.starts.sample(rng));
    last_action_ = -1;
    fickle_ = shared.fickle_passenger && rng.random() < shared.fickle_probability ? 1 : 0;
    orientation_ = 0;
    report_all(shared, info, {});
  }

  fastvec::StepResult step(const Shared& shared, Action action, fastvec::Rng& rng, fastvec::Info& info) {
    const Sample sample = shared.transitions.sample(state_, action, rng);
    std::int64_t next = sample.next;
    if (fickle_ != 0) {
      const Place before = decode(state_), after = decode(next);
      if (before.passenger == kInTaxi && (before.row != after.row || before.column != after.column)) {
        fickle_ = 0;
        const std::int64_t other = rng.integers(0, 3);
        next = encode({after.row, after.column, after.passenger, other + (other >= before.destination ? 1 : 0)});
      }
    }
    state_ = static_cast<std::int32_t>(next);
    last_action_ = static_cast<std::int8_t>(action);
    report_all(shared, info, sample.probability);
    return {.reward = sample.reward, .terminated = sample.terminated};
  }

  void observe(const Shared&, Observation observation) const { observation = state_; }

 private:
  static constexpr std::int64_t kNumStates = 500, kNumActions = 6;
  static constexpr std::int64_t kRows = 5, kColumns = 5, kInTaxi = 4;
  static constexpr std::size_t kMaskField = 2;
  enum Move : std::int64_t { kSouth, kNorth, kEast, kWest, kPickUp, kDropOff };

  // Columns are two characters wide; a ':' between two of them is open, a '|' is a wall.
  static constexpr std::array<std::string_view, 5> kMap{"|R: | : :G|", "| : | : : |", "| : : : : |", "| | : | : |",
                                                        "|Y| : |B: |"};
  struct Stand {
    std::int64_t row, column;
  };
  static constexpr std::array<Stand, 4> kStands{{{0, 0}, {0, 4}, {4, 0}, {4, 3}}};

  struct Place {
    std::int64_t row, column;
    std::int64_t passenger;  // a stand, or kInTaxi
    std::int64_t destination;
  };

  static std::int64_t encode(const Place& place) {
    return ((place.row * kColumns + place.column) * 5 + place.passenger) * 4 + place.destination;
  }
  static Place decode(std::int64_t state) { return {state / 100, state / 20 % 5, state / 4 % 5, state % 4}; }

  static bool open(std::int64_t row, std::int64_t boundary) {
    return kMap[static_cast<std::size_t>(row)][static_cast<std::size_t>(2 * boundary)] == ':';
  }
  static bool can_move(const Place& place, std::int64_t move) {
    if (move == kSouth) return place.row < kRows - 1;
    if (move == kNorth) return place.row > 0;
    return open(place.row, move == kEast ? place.column + 1 : place.column);
  }
  static Place moved(Place place, std::int64_t move) {  // a move that cannot be made changes nothing
    if (!can_move(place, move)) return place;
    if (move == kSouth) ++place.row;
    else if (move == kNorth) --place.row;
    else if (move == kEast) ++place.column;
    else --place.column;
    return place;
  }
  static std::int64_t stand_at(const Place& place) {  // -1: none
    for (std::size_t i = 0; i < kStands.size(); ++i) {
      if (kStands[i].row == place.row && kStands[i].column == place.column) return static_cast<std::int64_t>(i);
    }
    return -1;
  }

  static Outcome pick_up_or_drop_off(const Place& place, std::int64_t action) {
    const std::int64_t stand = stand_at(place);
    Place next = place;
    if (action == kPickUp) {
      if (place.passenger == kInTaxi || place.passenger != stand) return {{}, encode(place), -10.0, false};
      next.passenger = kInTaxi;
      return {{}, encode(next), -1.0, false};
    }
    if (place.passenger != kInTaxi || stand < 0) return {{}, encode(place), -10.0, false};
    next.passenger = stand;
    const bool arrived = stand == place.destination;
    return {{}, encode(next), arrived ? 20.0 : -1.0, arrived};
  }

  static Transitions make_transitions(const Config& config) {
    // Left and right of south, north, east and west.
    constexpr Move kLeft[4] = {kEast, kWest, kNorth, kSouth};
    constexpr Move kRight[4] = {kWest, kEast, kSouth, kNorth};
    const Probability straight{config.rainy_probability, config.rainy_probability_is_int};
    const Probability aside{(1.0 - config.rainy_probability) / 2.0};

    Transitions transitions(kNumStates, kNumActions);
    for (std::int64_t state = 0; state < kNumStates; ++state) {
      const Place place = decode(state);
      for (std::int64_t action = 0; action < kNumActions; ++action) {
        if (action >= kPickUp) {
          transitions.set(state, action, std::array{pick_up_or_drop_off(place, action)});
          continue;
        }
        const std::int64_t next = encode(moved(place, action));
        if (!config.is_rainy) {
          transitions.set(state, action, std::array{Outcome{{}, next, -1.0, false}});
          continue;
        }
        const bool drifts = can_move(place, action);
        const std::int64_t left = drifts ? encode(moved(place, kLeft[action])) : state;
        const std::int64_t right = drifts ? encode(moved(place, kRight[action])) : state;
        transitions.set(state, action,
                        std::array{Outcome{straight, next, -1.0, false}, Outcome{aside, left, -1.0, false},
                                   Outcome{aside, right, -1.0, false}});
      }
    }
    return transitions;
  }

  static StartStates start_states() {
    std::vector<std::int64_t> starts;
    for (std::int64_t state = 0; state < kNumStates; ++state) {
      const Place place = decode(state);
      if (place.passenger != kInTaxi && place.passenger != place.destination) starts.push_back(state);
    }
    return StartStates(std::move(starts));
  }

  static std::array<std::int8_t, 6> mask_of(const Place& place) {
    std::array<std::int8_t, 6> mask{};
    for (std::int64_t move = kSouth; move <= kWest; ++move) {
      mask[static_cast<std::size_t>(move)] = can_move(place, move) ? 1 : 0;
    }
    const std::int64_t stand = stand_at(place);
    mask[kPickUp] = place.passenger != kInTaxi && place.passenger == stand ? 1 : 0;
    mask[kDropOff] = place.passenger == kInTaxi && stand >= 0 ? 1 : 0;
    return mask;
  }

  void report_all(const Shared& shared, fastvec::Info& info, Probability probability) const {
    report(info, probability);
    const auto& mask = shared.masks[static_cast<std::size_t>(state_)];
    std::copy(mask.begin(), mask.end(), info.array<std::int8_t>(kMaskField).begin());
  }

  std::int32_t state_;
  std::int16_t fickle_;      // 1: the destination will change at the passenger's first move
  std::int8_t last_action_;  // -1: just reset
  std::int8_t orientation_;  // of the taxi in the last picture: only Gymnasium's renderer turns it
};

inline Taxi::Shared::Shared(const Config& config)
    : transitions(make_transitions(config)),
      starts(start_states()),
      fickle_passenger(config.fickle_passenger),
      fickle_probability(config.fickle_probability) {
  for (std::int64_t state = 0; state < kNumStates; ++state) {
    masks[static_cast<std::size_t>(state)] = mask_of(decode(state));
  }
}

}  // namespace toy_text
