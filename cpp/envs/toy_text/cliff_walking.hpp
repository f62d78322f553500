// CliffWalking, the numbers of gymnasium.envs.toy_text.cliffwalking.CliffWalkingEnv bit for bit.
// Source: Sutton and Barto, "Reinforcement Learning: An Introduction" (2018), example 6.6.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <tuple>
#include <vector>

#include "fastvec/env.hpp"
#include "table_walk.hpp"
#include "transitions.hpp"

namespace toy_text {

class CliffWalking : public TableWalk {
 public:
  struct Config {
    bool is_slippery = false;

    static constexpr auto kwargs() {
      return std::tuple{fastvec::kwarg("is_slippery", &Config::is_slippery, "moves may slip to either side")};
    }
  };

  struct Shared {
    explicit Shared(const Config& config) : transitions(make_transitions(config)), starts({kStart}) {}
    Transitions transitions;
    StartStates starts;
  };

  static fastvec::Spec spec(const Shared&) {
    return {.observation = fastvec::Discrete(kRows * kColumns),
            .action = fastvec::Discrete(kNumActions),
            .info = prob_fields()};
  }

 private:
  static constexpr std::int64_t kRows = 4, kColumns = 12, kNumActions = 4;
  static constexpr std::int64_t kStart = 3 * kColumns;
  enum Move : std::int64_t { kUp, kRight, kDown, kLeft };

  static Outcome arrive(Probability probability, std::int64_t row, std::int64_t column, std::int64_t move) {
    if (move == kUp) row = std::max<std::int64_t>(row - 1, 0);
    else if (move == kRight) column = std::min(column + 1, kColumns - 1);
    else if (move == kDown) row = std::min(row + 1, kRows - 1);
    else column = std::max<std::int64_t>(column - 1, 0);
    const bool lowest = row == kRows - 1;
    const bool fell = lowest && column > 0 && column < kColumns - 1;
    if (fell) return {probability, kStart, -100.0, false};
    return {probability, row * kColumns + column, -1.0, lowest && column == kColumns - 1};
  }

  static Transitions make_transitions(const Config& config) {
    Transitions transitions(kRows * kColumns, kNumActions);
    const Probability third{1.0 / 3.0};
    for (std::int64_t row = 0; row < kRows; ++row) {
      for (std::int64_t column = 0; column < kColumns; ++column) {
        const std::int64_t state = row * kColumns + column;
        for (std::int64_t action = 0; action < kNumActions; ++action) {
          if (config.is_slippery) {
            transitions.set(state, action,
                            std::array{arrive(third, row, column, (action + 3) % 4), arrive(third, row, column, action),
                                       arrive(third, row, column, (action + 1) % 4)});
          } else {
            transitions.set(state, action, std::array{arrive({}, row, column, action)});
          }
        }
      }
    }
    return transitions;
  }
};

}  // namespace toy_text
