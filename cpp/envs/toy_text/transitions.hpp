// The model of a small MDP, `P` of Gymnasium's toy-text envs, flat and ready to be sampled from.
// Sampling follows gymnasium.envs.toy_text.utils.categorical_sample: one uniform draw, and the first outcome
// whose cumulative probability exceeds it; the first of all where none does.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "fastvec/env.hpp"

namespace toy_text {

// Gymnasium hands a probability on as info["prob"], with the type that it has in Python: float or int.
struct Probability {
  double value = 1.0;
  bool is_int = false;
};

struct Outcome {
  Probability probability;
  std::int64_t next = 0;
  double reward = 0.0;
  bool terminated = false;
};

struct Sample {
  std::int64_t next;
  double reward;
  bool terminated;
  Probability probability;
};

inline constexpr std::size_t kMaxOutcomes = 3;

// Immutable once filled; shared by all threads.
class Transitions {
 public:
  Transitions(std::int64_t num_states, std::int64_t num_actions) : num_states_(num_states), num_actions_(num_actions) {
    if (num_states < 1 || num_states > std::numeric_limits<std::int32_t>::max()) {
      throw fastvec::InvalidArgument("expected 1 to 2**31 - 1 states, got " + std::to_string(num_states));
    }
    rows_.resize(static_cast<std::size_t>(num_states * num_actions));
  }

  std::int64_t num_states() const { return num_states_; }

  void set(std::int64_t state, std::int64_t action, std::span<const Outcome> outcomes) {
    Chances chances;
    Row& row = rows_[static_cast<std::size_t>(state * num_actions_ + action)];
    double sum = 0.0;
    std::uint64_t threshold = 0;
    for (std::size_t i = 0; i < kMaxOutcomes; ++i) {
      if (i < outcomes.size()) {
        const Outcome& outcome = outcomes[i];
        sum += outcome.probability.value;
        threshold = std::max(threshold, draws_below(sum));
        chances.probabilities[i] = outcome.probability.value;
        row.targets[i] = {static_cast<std::int32_t>(outcome.next), index_in(rewards_, outcome.reward),
                          outcome.terminated, outcome.probability.is_int};
      }
      chances.thresholds[i] = threshold;
    }
    row.chances = index_in(chances_, chances);
  }

  Sample sample(std::int64_t state, std::int64_t action, fastvec::Rng& rng) const {
    if (state < 0 || state >= num_states_) refuse(state);
    const Row& row = rows_[static_cast<std::size_t>(state * num_actions_ + action)];
    const Chances& chances = chances_[row.chances];
    const std::uint64_t draw = rng.next_uint64() >> 11;
    // Counted, not branched on: a processor could not foresee which way to go.
    const std::size_t index = (draw >= chances.thresholds[0] ? 1u : 0u) + (draw >= chances.thresholds[1] ? 1u : 0u) -
                              (draw >= chances.thresholds[2] ? 2u : 0u);
    const Target& target = row.targets[index];
    return {target.next, rewards_[target.reward], target.terminated, {chances.probabilities[index], target.is_int}};
  }

 private:
  struct Target {
    std::int32_t next = 0;
    std::uint16_t reward = 0;  // index into rewards_
    bool terminated = false;
    bool is_int = false;
  };
  struct Row {
    std::uint16_t chances = 0;  // index into chances_
    std::array<Target, kMaxOutcomes> targets{};
  };
  struct Chances {
    std::array<std::uint64_t, kMaxOutcomes> thresholds{};  // largest so far of draws_below(cumulative probability)
    std::array<double, kMaxOutcomes> probabilities{};

    bool operator==(const Chances& other) const {
      return thresholds == other.thresholds && same_bits(probabilities, other.probabilities);
    }
  };

  // How many of the 2**53 values of Generator.random(), counted from zero, lie below `bound`.
  static std::uint64_t draws_below(double bound) {
    if (!(bound > 0.0)) return 0;
    return static_cast<std::uint64_t>(std::ceil(std::min(bound, 1.0) * 0x1p53));
  }

  template <class T>
  static bool same_bits(const T& a, const T& b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
  }
  static bool same(double a, double b) { return same_bits(a, b); }
  static bool same(const Chances& a, const Chances& b) { return a == b; }

  // The place of `value` in `values`, where it is put if it is new.
  template <class T>
  static std::uint16_t index_in(std::vector<T>& values, const T& value) {
    const auto found = std::find_if(values.begin(), values.end(), [&](const T& other) { return same(other, value); });
    const auto index = static_cast<std::uint16_t>(found - values.begin());
    if (found == values.end()) values.push_back(value);
    return index;
  }

  [[noreturn]] static void refuse(std::int64_t state) {
    throw std::out_of_range("state " + std::to_string(state) + " does not exist");
  }

  std::int64_t num_states_, num_actions_;
  std::vector<Row> rows_;
  std::vector<Chances> chances_;
  std::vector<double> rewards_;
};

// Start states that are equally likely; where there is none, state 0, as in Gymnasium.
class StartStates {
 public:
  explicit StartStates(std::vector<std::int64_t> states) : states_(std::move(states)) {
    const double probability = 1.0 / static_cast<double>(states_.size());
    double sum = 0.0;
    for (std::size_t i = 0; i < states_.size(); ++i) cumulative_.push_back(sum += probability);
  }

  std::int64_t sample(fastvec::Rng& rng) const {
    const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), rng.random());
    return found == cumulative_.end() ? 0 : states_[static_cast<std::size_t>(found - cumulative_.begin())];
  }

 private:
  std::vector<std::int64_t> states_;
  std::vector<double> cumulative_;
};

// info["prob"]: float64, or int64 where Gymnasium's value is an int. The first env that writes either decides
// the dtype of the batch.
inline constexpr std::size_t kFloatProb = 0, kIntProb = 1;

inline std::vector<fastvec::InfoField> prob_fields() {
  return {fastvec::info_field<double>("prob"), fastvec::info_field<std::int64_t>("prob")};
}

inline void report(fastvec::Info& info, Probability probability) {
  if (probability.is_int) info.set(kIntProb, static_cast<std::int64_t>(probability.value));
  else info.set(kFloatProb, probability.value);
}

}  // namespace toy_text
