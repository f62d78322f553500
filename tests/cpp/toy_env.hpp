// A small env with everything the engine has to look after, and a plain loop that says what it should do.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/engine.hpp"
#include "fastvec/env.hpp"

namespace toy {

// Adds its actions to a random start; ends at `goal`. Action 9 throws, 8 throws in the next reset, 7 waits for
// the gate, 6 takes a fifth of a millisecond.
class Toy {
 public:
  struct Config {
    std::int64_t goal = 20;
    static constexpr auto kwargs() { return std::tuple{fastvec::kwarg("goal", &Config::goal)}; }
  };
  using Action = std::int64_t;
  using Observation = std::span<double, 2>;
  static constexpr std::array kOptions{fastvec::Option{"start"}};

  static inline std::atomic<bool> gate_open{true};
  static inline std::atomic<int> waiting{0};

  static fastvec::Spec spec(const Config&) {
    return {.observation = fastvec::Box<double>(-1e9, 1e9, {2}),
            .action = fastvec::Discrete(10),
            .info = {fastvec::info_field<std::int64_t>("sum"), fastvec::info_field<double>("odd")}};
  }
  static void check_options(const Config&, const fastvec::Options& options) {
    if (options.get(0, 0.0) < 0.0) throw fastvec::InvalidArgument("start: expected 0 or more");
  }

  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options& options) {
    sum_ = rng.integers(0, 4) + static_cast<std::int64_t>(options.get(0, 0.0));
    noise_ = rng.random();
    if (std::exchange(fail_next_reset_, false)) throw std::runtime_error("reset failed");
  }

  fastvec::StepResult step(const Config& config, Action action, fastvec::Rng& rng, fastvec::Info& info) {
    const fastvec::StepResult result = advance(config, action, rng);
    info.set(0, sum_);
    if (sum_ % 2 == 1) info.set(1, noise_);
    return result;
  }

  fastvec::StepResult advance(const Config& config, Action action, fastvec::Rng& rng) {
    if (action == 9) throw std::runtime_error("step failed");
    if (action == 6) std::this_thread::sleep_for(std::chrono::microseconds(200));
    if (action == 8) fail_next_reset_ = true;
    if (action == 7) {
      waiting.fetch_add(1);
      waiting.notify_all();
      gate_open.wait(false);
      waiting.fetch_sub(1);
    }
    sum_ += action == 7 ? 0 : action;
    noise_ = rng.random();
    return {.reward = static_cast<double>(action) * 0.5, .terminated = sum_ >= config.goal};
  }

  void observe(const Config&, Observation observation) const {
    observation[0] = static_cast<double>(sum_);
    observation[1] = noise_;
  }

 private:
  std::int64_t sum_ = 0;
  double noise_ = 0.0;
  bool fail_next_reset_ = false;
};

// The same numbers, with a state that has to be saved piece by piece.
class HeapToy {
 public:
  using Config = Toy::Config;
  using Action = std::int64_t;
  using Observation = std::span<double, 2>;

  static fastvec::Spec spec(const Config& config) { return {Toy::spec(config).observation, fastvec::Discrete(10)}; }
  void reset(const Config&, fastvec::Rng& rng, const fastvec::Options&) { history_.assign(1, rng.random()); }
  fastvec::StepResult step(const Config& config, Action action, fastvec::Rng& rng) {
    history_.push_back(rng.random() + static_cast<double>(action));
    return {.reward = history_.back(), .terminated = static_cast<std::int64_t>(history_.size()) > config.goal};
  }
  void observe(const Config&, Observation observation) const {
    observation[0] = static_cast<double>(history_.size());
    observation[1] = history_.empty() ? 0.0 : history_.back();
  }
  void save(fastvec::StateWriter& writer) const { writer.sequence(history_); }
  void load(fastvec::StateReader& reader) { history_ = reader.sequence<std::vector<double>>(); }

 private:
  std::vector<double> history_;
};

inline const fv_plugin* plugin() {
  static const fastvec::detail::Plugin table("toy", fastvec::env<Toy>("Toy-v0", {.max_episode_steps = 7}),
                                             fastvec::env<HeapToy>("HeapToy-v0", {}, {.goal = 5}));
  return table.table();
}
inline const fv_env_type& type() { return *plugin()->envs[0]; }
inline const fv_env_type& heap_type() { return *plugin()->envs[1]; }

inline fastvec::engine::Kwargs kwargs(std::int64_t goal) {
  fv_value value{};
  value.i = goal;
  return {{value}};
}

// An engine with memory for its results.
struct Setup {
  Setup(const fv_env_type& env_type, const fastvec::engine::EngineOptions& options, std::int64_t goal = 20)
      : engine(env_type, kwargs(goal), options), memory(engine.layout(), options.num_envs) {}

  const fastvec::engine::BatchView& view() const { return memory.view(); }
  const double* observation(std::int64_t env) const {
    return static_cast<const double*>(view().observations[0]) + 2 * env;
  }
  void seed(std::uint32_t first) {
    std::vector<std::uint32_t> words;
    for (std::int64_t i = 0; i < engine.num_envs(); ++i) words.push_back(first + static_cast<std::uint32_t>(i));
    engine.seed(words, 1, nullptr);
  }
  void reset(const std::uint8_t* mask = nullptr) { engine.reset(mask, nullptr, view(), {}); }
  void step(const std::vector<std::int64_t>& actions) {
    const void* pointers[] = {actions.data()};
    engine.step({pointers}, view(), {});
  }

  fastvec::engine::Engine engine;
  fastvec::engine::BatchMemory memory;
};

// What one env of a vector does, written as plainly as can be.
class Reference {
 public:
  Reference(std::uint32_t seed, fastvec::engine::AutoresetMode mode, std::int64_t goal, std::int64_t limit)
      : mode_(mode), config_{goal}, limit_(limit) {
    fastvec::seed_rng(state_, seed);
  }

  void reset() {
    fastvec::Rng rng(state_);
    env_.reset(config_, rng, fastvec::Options(nullptr, nullptr));
    elapsed = 0;
    done = false;
    look();
  }

  void step(std::int64_t action) {
    using fastvec::engine::AutoresetMode;
    reward = 0.0;
    terminated = truncated = has_final = false;
    if (mode_ == AutoresetMode::kNextStep && done) return reset();
    fastvec::Rng rng(state_);
    const fastvec::StepResult result = env_.advance(config_, action, rng);
    reward = result.reward;
    terminated = result.terminated;
    truncated = limit_ > 0 && ++elapsed >= limit_;
    done = terminated || truncated;
    look();
    if (mode_ == AutoresetMode::kSameStep && done) {
      has_final = true;
      final_observation = observation;
      reset();
    }
  }

  std::array<double, 2> observation{}, final_observation{};
  double reward = 0.0;
  bool terminated = false, truncated = false, done = false, has_final = false;
  std::int64_t elapsed = 0;

 private:
  void look() { env_.observe(config_, observation); }

  fastvec::engine::AutoresetMode mode_;
  Toy::Config config_;
  std::int64_t limit_;
  fv_rng state_{};
  Toy env_;
};

}  // namespace toy
