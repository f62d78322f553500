// FrozenLake, the numbers of gymnasium.envs.toy_text.frozen_lake.FrozenLakeEnv bit for bit.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "fastvec/env.hpp"
#include "table_walk.hpp"
#include "transitions.hpp"

namespace toy_text {

class FrozenLake : public TableWalk {
 public:
  struct Config {
    std::vector<std::string> desc = {};
    std::string map_name = "4x4";
    bool is_slippery = true;
    double success_rate = 1.0 / 3.0;
    bool success_rate_is_int = false;
    std::vector<double> reward_schedule = {1, 0, 0};

    static constexpr auto kwargs() {
      return std::tuple{
          fastvec::kwarg("desc", &Config::desc, "the map, row by row: S start, F ice, H hole, G goal"),
          fastvec::kwarg("map_name", &Config::map_name, "\"4x4\" or \"8x8\": the map where no desc is given"),
          fastvec::kwarg("is_slippery", &Config::is_slippery, "moves may slip to either side"),
          fastvec::kwarg("success_rate", &Config::success_rate, "probability of not slipping"),
          fastvec::kwarg("success_rate_is_int", &Config::success_rate_is_int,
                         "info[\"prob\"] of a move that does not slip is an int"),
          fastvec::kwarg("reward_schedule", &Config::reward_schedule, "reward of goal, hole and ice")};
    }
  };

  struct Shared {
    explicit Shared(const Config& config)
        : Shared(config, config.desc.empty() ? named_map(config.map_name) : config.desc) {}

    Transitions transitions;
    StartStates starts;

   private:
    Shared(const Config& config, const std::vector<std::string>& map)
        : transitions(make_transitions(config, map)), starts(start_states(map)) {}
  };

  static fastvec::Spec spec(const Shared& shared) {
    return {.observation = fastvec::Discrete(shared.transitions.num_states()),
            .action = fastvec::Discrete(kNumActions),
            .info = prob_fields()};
  }

 private:
  static constexpr std::int64_t kNumActions = 4;
  enum Move : std::int64_t { kLeft, kDown, kRight, kUp };

  static std::vector<std::string> named_map(std::string_view name) {
    if (name == "4x4") return {"SFFF", "FHFH", "FFFH", "HFFG"};
    if (name == "8x8") {
      return {"SFFFFFFF", "FFFFFFFF", "FFFHFFFF", "FFFFFHFF", "FFFHFFFF", "FHHFFFHF", "FHFFHFHF", "FFFHFFFG"};
    }
    throw fastvec::InvalidArgument("expected the map name \"4x4\" or \"8x8\", got \"" + std::string(name) + "\"");
  }

  static bool ends(char tile) { return tile == 'G' || tile == 'H'; }

  static Transitions make_transitions(const Config& config, const std::vector<std::string>& map) {
    const auto rows = static_cast<std::int64_t>(map.size());
    const auto columns = static_cast<std::int64_t>(map.front().size());
    for (const std::string& row : map) {
      if (static_cast<std::int64_t>(row.size()) != columns) {
        throw fastvec::InvalidArgument("expected map rows of " + std::to_string(columns) + " tiles, got one of " +
                                       std::to_string(row.size()));
      }
    }
    if (config.reward_schedule.size() != 3) {
      throw fastvec::InvalidArgument("expected a reward_schedule of 3 numbers, got " +
                                     std::to_string(config.reward_schedule.size()));
    }

    const auto arrive = [&](Probability probability, std::int64_t row, std::int64_t column, std::int64_t move) {
      if (move == kLeft) column = std::max<std::int64_t>(column - 1, 0);
      else if (move == kDown) row = std::min(row + 1, rows - 1);
      else if (move == kRight) column = std::min(column + 1, columns - 1);
      else row = std::max<std::int64_t>(row - 1, 0);
      const char tile = map[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)];
      const std::size_t kind = tile == 'G' ? 0 : (tile == 'H' ? 1 : 2);
      return Outcome{probability, row * columns + column, config.reward_schedule[kind], ends(tile)};
    };

    const Probability success{config.success_rate, config.success_rate_is_int};
    const Probability failure{(1.0 - config.success_rate) / 2.0};
    Transitions transitions(rows * columns, kNumActions);
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = 0; column < columns; ++column) {
        const std::int64_t state = row * columns + column;
        for (std::int64_t action = 0; action < kNumActions; ++action) {
          if (ends(map[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)])) {
            transitions.set(state, action, std::array{Outcome{{}, state, 0.0, true}});
          } else if (config.is_slippery) {
            transitions.set(
                state, action,
                std::array{arrive(failure, row, column, (action + 3) % 4), arrive(success, row, column, action),
                           arrive(failure, row, column, (action + 1) % 4)});
          } else {
            transitions.set(state, action, std::array{arrive({}, row, column, action)});
          }
        }
      }
    }
    return transitions;
  }

  static StartStates start_states(const std::vector<std::string>& map) {
    std::vector<std::int64_t> starts;
    std::int64_t state = 0;
    for (const std::string& row : map) {
      for (const char tile : row) {
        if (tile == 'S') starts.push_back(state);
        ++state;
      }
    }
    return StartStates(std::move(starts));
  }
};

}  // namespace toy_text
