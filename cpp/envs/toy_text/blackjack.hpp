// Blackjack, the numbers of gymnasium.envs.toy_text.blackjack.BlackjackEnv bit for bit.
// Source: Sutton and Barto, "Reinforcement Learning: An Introduction" (2018), example 5.1.
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>
#include <tuple>

#include "fastvec/env.hpp"

namespace toy_text {

class Blackjack {
 public:
  struct Config {
    bool natural = false;
    bool sab = false;

    static constexpr auto kwargs() {
      return std::tuple{
          fastvec::kwarg("natural", &Config::natural, "winning with an ace and a ten at once pays 1.5"),
          fastvec::kwarg("sab", &Config::sab, "Sutton and Barto's rules: that hand wins unless the dealer has one")};
    }
    static constexpr auto parameters() {
      return std::tuple{fastvec::parameter("natural", &Config::natural), fastvec::parameter("sab", &Config::sab)};
    }
  };
  using Action = std::int64_t;
  using Observation = fastvec::ObservationRows;

  static fastvec::Spec spec(const Config&) {
    return {.observation = fastvec::Tuple({fastvec::Discrete(32), fastvec::Discrete(11), fastvec::Discrete(2)}),
            .action = fastvec::Discrete(2)};
  }

  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options&) {
    dealer_.deal(rng);
    player_.deal(rng);
    suit_ = static_cast<std::uint8_t>(rng.integers(0, 4));
    face_ = dealer_.first() == 10 ? static_cast<std::uint8_t>(rng.integers(0, 3)) : 0;
  }

  fastvec::StepResult step(const Config& config, Action action, fastvec::Rng& rng) {
    if (action == kHit) {
      player_.draw(rng);
      return player_.bust() ? fastvec::StepResult{.reward = -1.0, .terminated = true} : fastvec::StepResult{};
    }
    while (dealer_.sum() < 17) dealer_.draw(rng);
    const int lead = player_.score() - dealer_.score();
    double reward = lead > 0 ? 1.0 : (lead < 0 ? -1.0 : 0.0);
    if (player_.natural()) {
      if (config.sab) reward = dealer_.natural() ? reward : 1.0;
      else if (config.natural && reward == 1.0) reward = 1.5;
    }
    return {.reward = reward, .terminated = true};
  }

  void observe(const Config&, Observation observation) const {
    observation.leaf<std::int64_t>(0)[0] = player_.sum();
    observation.leaf<std::int64_t>(1)[0] = dealer_.first();
    observation.leaf<std::int64_t>(2)[0] = player_.usable_ace() ? 1 : 0;
  }

 private:
  static constexpr Action kHit = 1;

  // Cards count 1 (ace) to 10. An ace is usable if the hand can count it as 11 without going bust.
  class Hand {
   public:
    void deal(fastvec::Rng& rng) {
      *this = {};
      draw(rng);
      draw(rng);
    }
    void draw(fastvec::Rng& rng) {
      if (size_ >= cards_.size()) throw std::length_error("a hand that went bust was hit again");
      const std::int64_t index = rng.integers(0, 13);
      const auto card = static_cast<std::uint8_t>(index < 9 ? index + 1 : 10);
      cards_[size_++] = card;
      total_ = static_cast<std::uint8_t>(total_ + card);
      has_ace_ = card == 1 ? 1 : has_ace_;
    }
    int first() const { return cards_[0]; }
    bool usable_ace() const { return has_ace_ != 0 && total_ + 10 <= 21; }
    int sum() const { return usable_ace() ? total_ + 10 : total_; }
    bool bust() const { return sum() > 21; }
    int score() const { return bust() ? 0 : sum(); }
    bool natural() const { return size_ == 2 && has_ace_ != 0 && total_ == 11; }

   private:
    std::uint8_t size_ = 0;
    std::uint8_t total_ = 0;  // aces counted as 1
    std::uint8_t has_ace_ = 0;
    std::array<std::uint8_t, 22> cards_{};  // the longest hand: 21 aces, and the card that makes it bust
  };

  Hand dealer_, player_;
  std::uint8_t suit_, face_;  // of the dealer's open card, for the picture: C D H S, and J Q K for a ten
};

}  // namespace toy_text
